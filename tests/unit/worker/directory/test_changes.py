"""Which part of a server's changes is read: never one that could hide somebody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.worker.directory.changes import OVERLAP, Window


@given(st.integers(0, 2**40))
def test_every_change_after_the_cursor_is_in_the_window(known: int) -> None:
    """And a little of what came before: changes may become visible out of order."""
    first = Window(known).first
    assert 0 <= first <= known + 1
    assert first == 0 or known + 1 - first == OVERLAP
