"""Remarks for people: said when there is something to say, with the way on."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from profile_image_sync.api.spec import FirstSync
from profile_image_sync.api.state_header import CompletedFirstSync, new_header
from profile_image_sync.worker import notes
from profile_image_sync.worker.people import Person

ANN = Person(UUID(int=1), (), None, (), "ann@x")
DONE = new_header(UUID(int=1)).model_copy(
    update={
        "first_sync": CompletedFirstSync(
            policy=FirstSync.ADOPT, time=datetime(2026, 5, 4, tzinfo=UTC), highest_account_id=9
        )
    }
)


def test_an_edit_of_first_sync_that_comes_too_late_is_told() -> None:
    """Rule 5: "editing the field later changes nothing, and the run says so"."""
    note = notes.first_sync_edited(DONE, FirstSync.OVERRIDE)
    assert note.startswith(
        "firstSync is Override now, but the first sync was completed with Adopt on 2026-05-04"
    )
    assert notes.first_sync_edited(DONE, FirstSync.ADOPT) == ""
    assert notes.first_sync_edited(new_header(UUID(int=1)), FirstSync.ADOPT) == ""


def test_an_override_tells_how_many_pictures_it_replaces() -> None:
    """Or that HighQ's list does not say it."""
    some = {True: 1, False: 1, None: 1}
    assert "3 people get their first picture" in notes.pictures_replaced(some)
    assert "1 of them have a picture" in notes.pictures_replaced(some)
    assert "0 of them have a picture" in notes.pictures_replaced({False: 1})
    assert "does not say" in notes.pictures_replaced({None: 2})
    assert notes.pictures_replaced({}) == ""


def test_edits_are_told_with_the_id_that_acknowledges_them() -> None:
    """Only where somebody is affected."""
    assert 'acknowledge: "attributes-1"' in notes.attributes_edited(2, "attributes-1")
    assert notes.attributes_edited(0, "attributes-1") == ""
    assert 'acknowledge: "match-1"' in notes.match_edited(2, "match-1")
    assert notes.match_edited(2, "") == ""
    assert notes.match_edited(0, "match-1") == ""


def test_unknown_ids_are_named() -> None:
    """All of them."""
    assert notes.unknown_acknowledgements(["a", "b"]).endswith("has the id a, b")
    assert notes.unknown_acknowledgements([]) == ""
