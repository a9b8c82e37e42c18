"""Only ids that a run would take are acknowledged."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from profile_image_sync import names
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.cluster.acknowledgement import UnknownAcknowledgement, annotation
from profile_image_sync.cluster.resources import SyncResource
from profile_image_sync.worker.acknowledgements import Acknowledgements
from tests.unit.cluster.resource import resource

BRAKE = {"id": "3f9a2c71", "reason": "MassChange", "message": "80 of 100"}
HEADER = StateHeader(id=UUID(int=1), match_version=2, image_attributes_version=3)
EDITS = Acknowledgements.parse(HEADER, "")


def braked(given: str = "", **status: Any) -> SyncResource:
    """Return a resource with a brake and this annotation."""
    return resource(annotations={names.ACKNOWLEDGE_ANNOTATION: given}, brake=BRAKE, **status)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "3f9a2c71"),
        ("other", "other 3f9a2c71"),
        ("3f9a2c71 other", "other 3f9a2c71"),
        ("a b c d", "b c d 3f9a2c71"),  # the operator passes over what is too long
    ],
)
def test_an_id_is_added_to_those_that_are_there(given: str, expected: str) -> None:
    """A brake and an edit may have to be acknowledged together."""
    assert annotation(braked(given), None, "3f9a2c71") == expected


@pytest.mark.parametrize("id", [EDITS.match_change, EDITS.attributes_change, "3f9a2c71"])
def test_edits_have_ids_too(id: str) -> None:  # noqa: A002
    """Of `match` and of `imageAttributes`, as the run's notes tell them."""
    assert annotation(braked(), HEADER, id) == id


def test_an_unknown_id_is_refused_by_name_with_what_waits() -> None:
    """A typing error acknowledges nothing."""
    with pytest.raises(UnknownAcknowledgement) as refused:
        annotation(braked(), StateHeader(id=UUID(int=1)), "3f9a2c72")
    assert str(refused.value) == (
        "3f9a2c72 is not known to ProfileImageSync acme in namespace tenant-acme: what waits is 3f9a2c71"
    )
    with pytest.raises(UnknownAcknowledgement, match=r"what waits is 3f9a2c71, attr.*, match-"):
        annotation(braked(), HEADER, "")


def test_a_resource_without_a_brake_has_nothing_to_acknowledge() -> None:
    """Nor has one without a state."""
    with pytest.raises(UnknownAcknowledgement, match=r"x is not known to .*: nothing waits$"):
        annotation(resource(), None, "x")


def test_an_id_is_good_once() -> None:
    """A spent one is told as what it is."""
    spent = HEADER.with_spent(["3f9a2c71"])
    with pytest.raises(UnknownAcknowledgement, match="was acknowledged before, and is good once"):
        annotation(braked(), spent, "3f9a2c71")
