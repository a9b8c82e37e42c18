"""What `safety.acknowledge` lets through, once."""

from __future__ import annotations

import re
from uuid import UUID

from profile_image_sync.api.state_header import PendingBrake, new_header
from profile_image_sync.worker.acknowledgements import Acknowledgements

HEADER = new_header(UUID(int=1))
EDITED = HEADER.with_lists(["a"], ["mail=email"]).with_lists(["b"], ["mail=email"])
BRAKE = PendingBrake(id="3f9a2c71", figures={})


def test_several_ids_are_acknowledged_together() -> None:
    """Rule 13: "several ids may be acknowledged together", separated by blanks."""
    change = Acknowledgements(EDITED, ()).attributes_change
    given = Acknowledgements.parse(EDITED, f" {BRAKE.id}  {change}\n")
    assert given.allows(BRAKE.id)
    assert given.allows(change)
    assert given.used(BRAKE) == [BRAKE.id, change]
    assert given.unknown([BRAKE]) == []


def test_an_unknown_id_is_named() -> None:
    """An id with a typing mistake is told, not accepted in silence."""
    given = Acknowledgements.parse(EDITED, f"{BRAKE.id} typo")
    assert given.unknown([BRAKE]) == ["typo"]
    assert given.unknown([None]) == [BRAKE.id, "typo"]
    assert Acknowledgements.parse(EDITED, "").unknown([None]) == []


def test_an_acknowledgement_is_good_once() -> None:
    """Rule 13: "an acknowledgement is spent when a run that it let through has ended without a stop"."""
    given = Acknowledgements.parse(EDITED.with_spent([BRAKE.id]), BRAKE.id)
    assert not given.allows(BRAKE.id)
    assert given.used(BRAKE) == []
    assert given.unknown([None]) == []  # it may stay in the spec for ever


def test_nothing_is_acknowledged_by_an_empty_text() -> None:
    """A state without an edit has no id of an edit, and an empty one lets nothing through."""
    given = Acknowledgements.parse(HEADER, "")
    assert (given.attributes_change, given.match_change) == ("", "")
    assert not given.allows("")


def test_each_edit_has_an_id_of_its_own() -> None:
    """Going back to a former list is another edit: an old acknowledgement does not cover it."""
    back = EDITED.with_lists(["a"], ["mail=email"])
    again = back.with_lists(["b"], ["mail=email"])
    ids = [Acknowledgements(header, ()).attributes_change for header in (EDITED, back, again)]
    assert len(set(ids)) == 3
    assert all(re.fullmatch("attributes-[0-9a-f]{8}", each) for each in ids)  # short enough to type
    assert Acknowledgements(EDITED, ()).match_change == ""
    edited = EDITED.with_lists(["b"], ["upn=email"])
    assert Acknowledgements(edited, ()).match_change.startswith("match-")


def test_another_spelling_is_no_edit() -> None:
    """`JPEGPhoto` for `jpegPhoto` is the same attribute."""
    header = HEADER.with_lists(["jpegPhoto"], ["mail=email"])
    assert header.with_lists(["JPEGPhoto"], ["Mail=email"]).image_attributes_version == 1
    assert header.with_lists(["JPEGPhoto"], ["Mail=email"]).match_version == 1
