"""What a run counts when it looks at a few people only: the totals speak of everyone all the same."""

from __future__ import annotations

from uuid import UUID

from profile_image_sync.api.report import ListedPerson, PeopleKind, PeopleLists
from profile_image_sync.api.state_header import Totals
from profile_image_sync.api.status import Run
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.ledger import Accepted, PersonRecord
from profile_image_sync.worker.people import Person
from profile_image_sync.worker.plan import PersonPlan, Verdict

ANN, BOB, CY, DEE = (UUID(int=number) for number in range(1, 5))
SERVED = PersonRecord(Accepted(bytes(16), "thumbnailPhoto", 7, 1))
TOTALS = Totals(
    people=10,
    reasons={
        "unmatched": {"NoAccount": 2, "AccountInactive": 1},
        "noImage": {"NoImage": 3},
        "failed": {"AccessDenied": 1},
        "unconfirmed": {"Unconfirmed": 1},
    },
)


def listed(guid: UUID, reason: str) -> ListedPerson:
    """Return how the last run listed somebody."""
    return ListedPerson(guid=str(guid), label=f"p{guid.int}@x", reason=reason, detail="why")


LISTS = PeopleLists(
    run="before",
    people={
        PeopleKind.UNMATCHED: (listed(ANN, "NoAccount"), listed(BOB, "AccountInactive")),
        PeopleKind.UPLOADED: (listed(DEE, "UploadFirst"),),
    },
)


def person(guid: UUID) -> Person:
    """Return somebody."""
    return Person(guid, (), None, (), f"p{guid.int}@x")


def carried() -> RunCounters:
    """Begin with what the last run counted."""
    counters = RunCounters()
    counters.carry_over(TOTALS, LISTS)
    return counters


def numbers(counters: RunCounters) -> dict[str, int]:
    """Return the numbers of the run that are not zero."""
    run = counters.filled(Run(id="now")).model_dump()
    return {name: number for name, number in run.items() if type(number) is int and number}


def test_a_run_that_looks_at_nobody_says_what_the_last_one_said() -> None:
    """Only what was done is this run's: uploads are not carried over, who waits is."""
    counters = carried()
    assert numbers(counters) == {
        "people": 10, "unmatched": 3, "no_image": 3, "failed": 1, "unchanged": 3,
    }  # fmt: skip
    assert counters.totals() == TOTALS
    assert counters.lists("now").people == {
        PeopleKind.UNMATCHED: LISTS.people[PeopleKind.UNMATCHED]
    }


def test_somebody_who_is_looked_at_anew_is_counted_once() -> None:
    """Ann waited and is served now; Cy is new; Dee, who was served, has no picture any more."""
    counters = carried()
    counters.take_out(ANN, PersonRecord(waiting="NoAccount"))
    counters.take_out(CY, PersonRecord())
    counters.take_out(DEE, SERVED)
    counters.add(PeopleKind.UPLOADED, person(ANN), "UploadFirst", "why")
    counters.add_plan(PersonPlan(person(CY), Verdict.NO_IMAGE))
    counters.add_plan(PersonPlan(person(DEE), Verdict.REMOVED))
    assert numbers(counters) == {
        "people": 11, "uploaded": 1, "unmatched": 2, "no_image": 5, "failed": 1, "unchanged": 2,
    }  # fmt: skip
    assert counters.totals().reasons["unmatched"] == {"NoAccount": 1, "AccountInactive": 1}
    assert counters.totals().reasons["noImage"] == {"NoImage": 4, "RemovedInSource": 1}
    (waits,) = counters.lists("now").people[PeopleKind.UNMATCHED]
    assert waits.guid == str(BOB)


def test_who_comes_back_is_one_more() -> None:
    """Who was gone was counted by no run."""
    counters = carried()
    gone = PersonRecord(Accepted(bytes(16), "thumbnailPhoto", 7, 1, gone=True))
    counters.take_out(CY, gone)
    counters.add_unchanged(1)
    assert (counters.people, numbers(counters)["unchanged"]) == (11, 4)
