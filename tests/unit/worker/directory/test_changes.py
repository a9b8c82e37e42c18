"""Which part of a server's changes is read: never one that could hide somebody."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.worker.directory.changes import OVERLAP, Window, digest_of
from profile_image_sync.worker.people import Person


@given(st.integers(0, 2**40))
def test_every_change_after_the_cursor_is_in_the_window(known: int) -> None:
    """And a little of what came before: changes may become visible out of order."""
    first = Window(known).first
    assert 0 <= first <= known + 1
    assert first == 0 or known + 1 - first == OVERLAP


def test_a_change_that_becomes_visible_late_shows_in_the_digest() -> None:
    """Who was read already is not looked at again; somebody who was not there yet is noticed."""
    people = [Person(UUID(int=n), (), None, (), "label", usn=5_000 + n) for n in range(9)]
    seen = digest_of(people, 5_008)
    assert digest_of(reversed(people), 5_008) == seen
    assert digest_of([*people, Person(UUID(int=99), (), None, (), "new", usn=5_009)], 5_008) == seen
    assert (
        digest_of([*people, Person(UUID(int=99), (), None, (), "late", usn=4_500)], 5_008) != seen
    )
    assert digest_of([*people, Person(UUID(int=99), (), None, (), "old", usn=4_008)], 5_008) == seen
    assert digest_of(people[1:], 5_008) != seen
    assert digest_of([], 5_008) == ""
