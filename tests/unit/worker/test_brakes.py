"""Brakes: when the numbers look wrong, nothing goes up until a person has looked."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from profile_image_sync.api.safety import Safety
from profile_image_sync.api.state_header import PendingBrake, Sweep
from profile_image_sync.errors import DirectoryMisconfigured
from profile_image_sync.worker import brakes
from profile_image_sync.worker.brakes import LimitBreach
from profile_image_sync.worker.people import Person, Source
from profile_image_sync.worker.plan import Verdict

THUMB, JPEG = "thumbnailPhoto", "jpegPhoto"
NOTHING = Counter[Verdict]()


def person(number: int, *images: str) -> Person:
    """Invent somebody with images in these attributes."""
    source = Source(images[0], bytes(16)) if images else None
    return Person(UUID(int=number), (), source, images, str(number))


def sweep(people: int, thumbs: int, matched: int | None = None, **images: int) -> Sweep:
    """Count so many people and thumbnail photos, all of them matched unless said otherwise."""
    return Sweep(
        people=people,
        with_image=thumbs,
        images={THUMB: thumbs} | images,
        matched=thumbs if matched is None else matched,
    )


def test_a_sweep_counts_every_attribute_a_person_shows() -> None:
    """Someone with both images counts for both: a preferred attribute that comes hides no other."""
    people = [person(1, JPEG, THUMB), person(2, THUMB), person(3)]
    counter = brakes.SweepCounter((JPEG, THUMB, "photo"))
    for each in people:
        counter.add(each)
    assert counter.sweep() == Sweep(people=3, with_image=2, images={JPEG: 1, THUMB: 2, "photo": 0})


@pytest.mark.parametrize("first_sync", [True, False])
def test_seeing_nobody_stops_every_run(first_sync: bool) -> None:
    """Zero people is a wrong base, filter or right, never an empty firm."""
    with pytest.raises(DirectoryMisconfigured, match=r"nobody in scope.*searchBases"):
        brakes.require_people(sweep(0, 0), first_sync=first_sync)


def test_a_first_sync_that_sees_no_image_stops() -> None:
    """Else `firstSync: Adopt` would end at once, and override everyone as soon as images are read."""
    with pytest.raises(DirectoryMisconfigured, match=r"none of the 3 people.*imageAttributes"):
        brakes.require_people(sweep(3, 0), first_sync=True)


def test_no_image_after_the_first_sync_is_for_the_brakes() -> None:
    """A firm may take its pictures away: then it is a number to acknowledge, not a mistake."""
    brakes.require_people(sweep(3, 0), first_sync=False)


def changed(count: int, verdict: Verdict = Verdict.UPLOAD_CHANGED) -> Counter[Verdict]:
    """Say that so many people get this verdict."""
    return Counter({verdict: count})


LIMITS = {
    "half of the people missing is still let through": (
        sweep(50, 50), [sweep(100, 50)], NOTHING, False, {},
    ),
    "fewer than half of the people": (
        sweep(49, 40), [sweep(100, 40)], NOTHING, False, {"TooFewPeople": 51},
    ),
    "one fewer than half of many": (
        sweep(99, 90), [sweep(199, 90)], NOTHING, False, {"TooFewPeople": 100},
    ),
    "rule 10: the largest of the last sweeps is the measure, so that 49 % fewer each time trips": (
        sweep(26, 26, 40), [sweep(100, 40), sweep(51, 40)], NOTHING, False, {"TooFewPeople": 74},
    ),
    "fewer than half of an attribute's images": (
        sweep(100, 10, 90), [sweep(100, 90)], NOTHING, False, {"TooFewImages/thumbnailphoto": 80},
    ),
    "each attribute counts by itself": (
        sweep(100, 10, 90, jpegPhoto=1), [sweep(100, 90, jpegPhoto=9)], NOTHING, False,
        {"TooFewImages/thumbnailphoto": 80, "TooFewImages/jpegphoto": 8},
    ),
    "whatever the case it was spelled in": (
        sweep(100, 90, JPEGPhoto=1), [sweep(100, 90, jpegPhoto=9)], NOTHING, False,
        {"TooFewImages/jpegphoto": 8},
    ),
    "five are enough to compare": (sweep(2, 2), [sweep(5, 2)], NOTHING, False, {"TooFewPeople": 3}),
    "four say nothing": (sweep(1, 0), [sweep(4, 4)], NOTHING, False, {}),
    "no earlier sweep to compare with": (sweep(5, 1), [], NOTHING, False, {}),
    "half of the images changed is let through": (
        sweep(20, 20), [sweep(20, 20)], changed(10), False, {},
    ),
    "more than half of the images changed": (
        sweep(20, 20), [sweep(20, 20)], changed(11), False, {"TooManyChanges": 11},
    ),
    "one more than half of many": (
        sweep(201, 201), [], changed(101), False, {"TooManyChanges": 101},
    ),
    "re-created accounts count as changes": (
        sweep(20, 20), [], changed(11, Verdict.UPLOAD_NEW_ACCOUNT), False, {"TooManyChanges": 11},
    ),
    "re-created people count as changes": (
        sweep(20, 20), [], changed(11, Verdict.UPLOAD_NEW_PERSON), False, {"TooManyChanges": 11},
    ),
    "released people count as changes": (
        sweep(20, 20), [], changed(11, Verdict.UPLOAD_AGAIN), False, {"TooManyChanges": 11},
    ),
    "all kinds of changes together": (
        sweep(20, 20), [], changed(6) + changed(5, Verdict.UPLOAD_NEW_PERSON), False,
        {"TooManyChanges": 11},
    ),
    "changes are not counted below 20 people": (sweep(19, 19), [], changed(19), False, {}),
    "nor in the first sync": (sweep(20, 20), [], changed(20), True, {}),
    "first uploads without a limit": (
        sweep(900, 900), [], changed(900, Verdict.UPLOAD_FIRST), True, {},
    ),
    "rule 7: a first sync that finds accounts for fewer than half stops": (
        sweep(20, 20, 9), [], NOTHING, True, {"TooFewMatched": 11},
    ),
    "half of them are enough": (sweep(20, 20, 10), [], NOTHING, True, {}),
    "fewer than 20 say nothing": (sweep(19, 19, 0), [], NOTHING, True, {}),
    "later, those matched before are the measure": (
        sweep(90, 90, 20), [sweep(90, 90, 40)], NOTHING, False, {},
    ),
    "one fewer than half of many have a user": (
        sweep(199, 199, 99), [], NOTHING, True, {"TooFewMatched": 100},
    ),
    "and fewer than half of them stop the run": (
        sweep(90, 90, 19), [sweep(90, 90, 40)], NOTHING, False, {"TooFewMatched": 21},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS.values(), ids=LIMITS.keys())
def test_numbers_past_a_limit_are_breaches(
    case: tuple[Sweep, list[Sweep], Counter[Verdict], bool, dict[str, int]],
) -> None:
    """`spec.safety` at its defaults: 50 % each."""
    now, former, verdicts, first_sync, expected = case
    found = brakes.find_breaches(now, former, verdicts, Safety(), first_sync=first_sync)
    assert {breach.cause: breach.figure for breach in found} == expected
    assert all(breach.lowers_baseline == ("TooFew" in breach.cause) for breach in found)


@pytest.mark.parametrize(
    ("former", "found"),
    [
        ([sweep(900, 900), sweep(900, 900), sweep(42, 42)], ["TooManyChanges"]),
        ([sweep(42, 42), sweep(42, 42), sweep(900, 900)], []),
    ],
)
def test_a_run_that_reads_what_changed_goes_by_the_last_sweep(
    former: list[Sweep], found: list[str]
) -> None:
    """It did not count who has an image; and who is missing does not show in it."""
    breaches = brakes.find_breaches(None, former, changed(22), Safety(), first_sync=False)
    assert [each.cause for each in breaches] == found


@pytest.mark.parametrize("first_sync", [True, False])
def test_too_few_accounts_are_told_with_what_they_are_compared_to(first_sync: bool) -> None:
    """In a first sync with the people who have an image, later with those matched before."""
    former = [] if first_sync else [sweep(90, 90, 40)]
    (breach,) = brakes.find_breaches(
        sweep(90, 90, 9), former, NOTHING, Safety(), first_sync=first_sync
    )
    of = "9 of 90 people with an image" if first_sync else "9 of 40 who had one before"
    assert breach.message.startswith(f"{of} have a HighQ user")


def test_more_first_uploads_than_allowed_are_a_breach() -> None:
    """`safety.maxFirstUploads` bounds what an unexpectedly wide scope can do."""
    verdicts, safety = changed(3, Verdict.UPLOAD_FIRST), Safety(max_first_uploads=2)
    (breach,) = brakes.find_breaches(sweep(3, 3), [], verdicts, safety, first_sync=True)
    assert (breach.cause, breach.figure) == ("TooManyFirstUploads", 3)
    assert "safety.maxFirstUploads (2)" in breach.message
    for enough in (3, 4):
        safety = Safety(max_first_uploads=enough)
        assert brakes.find_breaches(sweep(3, 3), [], verdicts, safety, first_sync=True) == []


CHANGES = LimitBreach("TooManyChanges", 100, "…")
IMAGES = LimitBreach("TooFewImages", 40, "…", "jpegphoto")
PENDING = PendingBrake(id="old", figures={"TooManyChanges": 100, "TooFewImages/jpegphoto": 40})


@pytest.mark.parametrize(
    ("breaches", "pending", "expected"),
    [
        ([], PENDING, None),
        ([CHANGES], None, "new"),
        ([CHANGES, IMAGES], PENDING, "old"),
        ([CHANGES], PENDING, "old"),
        ([LimitBreach("TooManyChanges", 105, "…"), IMAGES], PENDING, "old"),
        ([LimitBreach("TooManyChanges", 106, "…"), IMAGES], PENDING, "new"),
        ([CHANGES, LimitBreach("TooFewImages", 43, "…", "jpegphoto")], PENDING, "new"),
        ([LimitBreach("TooFewImages", 1, "…", "thumbnailphoto")], PENDING, "new"),
        ([LimitBreach("TooFewPeople", 1, "…")], PENDING, "new"),
    ],
    ids=[
        "nothing wrong",
        "first time",
        "the id stays while a person decides",
        "also when a cause has gone",
        "and while the numbers are at most 5 % worse",
        "worse than that",
        "one of two worse: the other does not hide it",
        "another attribute",
        "another reason",
    ],
)
def test_a_brake_keeps_its_id_while_its_causes_are_the_same(
    breaches: list[LimitBreach], pending: PendingBrake | None, expected: str | None
) -> None:
    """Rule 13: "its numbers are at most 5 % above those when the id was given"."""
    brake = brakes.brake_for(breaches, pending, "new")
    assert (brake.id if brake else None) == expected
    if expected == "new":
        assert brake
        assert brake.figures == {breach.cause: breach.figure for breach in breaches}
