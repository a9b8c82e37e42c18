"""Which part of a server's changes is read: never one that could hide somebody."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.worker.directory.changes import (
    OVERLAP,
    Position,
    Window,
    window_since,
    with_cursor,
)

DC1, DC2 = "dc1.ad.test", "dc2.ad.test"
DATABASE, RESTORED = UUID(int=1), UUID(int=2)
CURSOR = Position(DC1, DATABASE, 50_000)


@pytest.mark.parametrize(
    ("now", "window"),
    [
        (Position(DC1, DATABASE, 50_000), Window(50_001 - OVERLAP)),
        (Position(DC1, DATABASE, 90_000), Window(50_001 - OVERLAP)),
        (Position(DC1, RESTORED, 90_000), None),
        (Position(DC1, DATABASE, 49_999), None),
        (Position(DC2, DATABASE, 90_000), None),
    ],
    ids=["nothing new", "changes", "restored", "went back", "another server"],
)
def test_a_window_is_good_on_the_same_database_only(now: Position, window: Window | None) -> None:
    """On any other, everyone is read."""
    assert window_since([Position(DC2, RESTORED, 1), CURSOR], now) == window


def test_without_a_cursor_everyone_is_read() -> None:
    """So it is for the first run, and for a server that was never read from."""
    assert window_since([], CURSOR) is None


@given(last=st.integers(0, 2**40), made=st.integers(0, 10**6))
def test_every_change_after_the_cursor_is_in_the_window(last: int, made: int) -> None:
    """And a little of what came before: changes may become visible out of order."""
    window = window_since([Position(DC1, DATABASE, last)], Position(DC1, DATABASE, last + made))
    assert window is not None
    assert 0 <= window.first <= last + 1
    assert window.first == 0 or last + 1 - window.first == OVERLAP


def test_a_server_has_one_cursor_and_the_oldest_fall_out() -> None:
    """A restored server replaces its own; a directory of many servers keeps the last ones."""
    cursors: tuple[Position, ...] = ()
    for number in range(20):
        cursors = with_cursor(cursors, Position(f"dc{number}", DATABASE, number), 16)
    assert [cursor.server for cursor in cursors] == [f"dc{number}" for number in range(4, 20)]
    replaced = with_cursor(cursors, Position("dc4", RESTORED, 7), 16)
    assert len(replaced) == 16
    assert replaced[-1] == Position("dc4", RESTORED, 7)
