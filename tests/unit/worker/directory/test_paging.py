"""How many rows to ask for: pages of a bearable weight."""

from __future__ import annotations

import pytest

from profile_image_sync.worker.directory.paging import MAX_ROWS, PAGE_BYTES, next_rows


@pytest.mark.parametrize(
    ("asked", "got", "weight", "expected"),
    [
        (50, 50, 50 * 1_000, 100),  # light: grows by doubling
        (400, 400, 400 * 1_000, MAX_ROWS),
        (500, 500, 500 * 100_000, 167),  # heavy: 16 MiB a page
        (50, 50, 50 * 5_000_000, 3),  # jpegPhoto has no limit
        (50, 50, 50 * 100 * PAGE_BYTES, 1),
        (50, 7, 7 * 1_000, 100),  # a short page says what a row weighs, too
        (50, 3, 0, 100),
    ],
)
def test_the_next_page_weighs_about_16_mib(
    asked: int, got: int, weight: int, expected: int
) -> None:
    """Judged by the last page, never more than twice as many rows."""
    assert next_rows(asked, got, weight) == expected
