"""Brakes: when the numbers look wrong, nothing goes up until a person has looked."""

from __future__ import annotations

from uuid import UUID

import pytest

from profile_image_sync.api.safety import Safety
from profile_image_sync.api.state_header import PendingBrake, Sweep
from profile_image_sync.errors import DirectoryMisconfigured
from profile_image_sync.worker import brakes
from profile_image_sync.worker.brakes import LimitBreach
from profile_image_sync.worker.people import Person, Source
from profile_image_sync.worker.plan import PersonPlan, Verdict

THUMB, JPEG = "thumbnailPhoto", "jpegPhoto"


def person(number: int, *images: str) -> Person:
    """Invent somebody with images in these attributes."""
    source = Source(images[0], bytes(16)) if images else None
    return Person(UUID(int=number), (), source, images, str(number))


def decisions(verdict: Verdict, count: int) -> list[PersonPlan]:
    """Repeat a verdict for so many people."""
    return [PersonPlan(person(n, THUMB), verdict) for n in range(count)]


def sweep(people: int, thumbs: int) -> Sweep:
    """Count so many people and thumbnail photos."""
    return Sweep(people=people, with_image=thumbs, images={THUMB: thumbs})


def test_a_sweep_counts_every_attribute_a_person_shows() -> None:
    """Someone with both images counts for both: a preferred attribute that comes hides no other."""
    people = [person(1, JPEG, THUMB), person(2, THUMB), person(3)]
    counted = brakes.sweep_of(people, (JPEG, THUMB, "photo"))
    assert counted == Sweep(people=3, with_image=2, images={JPEG: 1, THUMB: 2, "photo": 0})


@pytest.mark.parametrize("first_sync", [True, False])
def test_seeing_nobody_stops_every_run(first_sync: bool) -> None:
    """Zero people is a wrong base, filter or right, never an empty firm."""
    with pytest.raises(DirectoryMisconfigured, match=r"nobody in scope.*searchBases"):
        brakes.require_people(sweep(0, 0), first_sync=first_sync)


def test_a_first_sync_that_sees_no_image_stops() -> None:
    """Else `firstSync: Adopt` would end at once, and override everyone as soon as images are read."""
    with pytest.raises(DirectoryMisconfigured, match=r"none of the 3 people.*imageAttributes"):
        brakes.require_people(sweep(3, 0), first_sync=True)


LIMITS = {
    "half of the people missing is still let through": (
        sweep(50, 50), sweep(100, 50), [], False, {},
    ),
    "fewer than half of the people": (
        sweep(49, 40), sweep(100, 40), [], False, {"TooFewPeople": 51},
    ),
    "fewer than half of an attribute's images": (
        sweep(100, 10), sweep(100, 90), [], False, {"TooFewImages": 80},
    ),
    "a small count says nothing": (sweep(4, 0), sweep(4, 4), [], False, {}),
    "no earlier sweep to compare with": (sweep(5, 1), None, [], False, {}),
    "half of the images changed is let through": (
        sweep(20, 20), sweep(20, 20), decisions(Verdict.UPLOAD_CHANGED, 10), False, {},
    ),
    "more than half of the images changed": (
        sweep(20, 20), sweep(20, 20), decisions(Verdict.UPLOAD_CHANGED, 11), False,
        {"TooManyChanges": 11},
    ),
    "re-created accounts count as changes": (
        sweep(20, 20), sweep(20, 20), decisions(Verdict.UPLOAD_NEW_ACCOUNT, 11), False,
        {"TooManyChanges": 11},
    ),
    "changes are not counted below 20 people": (
        sweep(19, 19), sweep(19, 19), decisions(Verdict.UPLOAD_CHANGED, 19), False, {},
    ),
    "nor in the first sync": (
        sweep(20, 20), None, decisions(Verdict.UPLOAD_CHANGED, 20), True, {},
    ),
    "first uploads without a limit": (
        sweep(900, 900), None, decisions(Verdict.UPLOAD_FIRST, 900), True, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS.values(), ids=LIMITS.keys())
def test_numbers_past_a_limit_raise_an_alarm(
    case: tuple[Sweep, Sweep | None, list[PersonPlan], bool, dict[str, int]],
) -> None:
    """`spec.safety` at its defaults: 50 % each."""
    now, last, made, first_sync, expected = case
    found = brakes.find_breaches(now, last, made, Safety(), first_sync=first_sync)
    assert {alarm.reason: alarm.figure for alarm in found} == expected


def test_more_first_uploads_than_allowed_raise_an_alarm() -> None:
    """`safety.maxFirstUploads` bounds what an unexpectedly wide scope can do."""
    (alarm,) = brakes.find_breaches(
        sweep(3, 3),
        None,
        decisions(Verdict.UPLOAD_FIRST, 3),
        Safety(max_first_uploads=2),
        first_sync=True,
    )
    assert (alarm.reason, alarm.figure) == ("TooManyFirstUploads", 3)
    assert "safety.maxFirstUploads (2)" in alarm.message


BREACH = LimitBreach("TooManyChanges", 30, "…")
PENDING = PendingBrake(id="old", figures={"TooManyChanges": 30})


@pytest.mark.parametrize(
    ("found", "pending", "acknowledged", "stopped_by"),
    [
        ([], PENDING, "", None),
        ([BREACH], None, "", "new"),
        ([BREACH], None, "old", "new"),
        ([BREACH], PENDING, "", "old"),
        ([BREACH], PENDING, "old", None),
        ([BREACH], PendingBrake(id="old", figures={"TooManyChanges": 29}), "old", "new"),
        ([BREACH], PendingBrake(id="old", figures={"TooFewPeople": 99}), "old", "new"),
    ],
    ids=[
        "nothing wrong",
        "first time",
        "an id that was never given out",
        "the id stays while a person decides",
        "acknowledged",
        "worse than what was acknowledged",
        "another reason than what was acknowledged",
    ],
)
def test_an_acknowledgement_lets_no_worse_numbers_through(
    found: list[LimitBreach],
    pending: PendingBrake | None,
    acknowledged: str,
    stopped_by: str | None,
) -> None:
    """`safety.acknowledge` takes the id of the brake that a person has seen."""
    brake = brakes.brake_for(found, pending, acknowledged, "new")
    assert (brake.id if brake else None) == stopped_by
