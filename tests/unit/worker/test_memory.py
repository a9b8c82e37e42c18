"""What a person takes while everyone is read: `make bench-reading` measures whole processes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from hashlib import md5
from uuid import UUID

import pytest

from profile_image_sync.api.highq import MatchKey
from profile_image_sync.worker import packed
from profile_image_sync.worker.accounts import AccountIndex
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.people import Account, Person, Source
from profile_image_sync.worker.people_rows import PeopleRows
from profile_image_sync.worker.plan import PersonPlan, Verdict
from profile_image_sync.worker.planner import RunPlan

FEW, MANY = 1_000, 5_000


def people(count: int) -> PeopleRows:
    """Pack so many people whose image no record holds."""
    rows = PeopleRows(["thumbnailPhoto"], 2, lambda _: PersonRecord())
    for number in range(count):
        digest = md5(b"%d" % number, usedforsecurity=False).digest()
        source = Source("thumbnailPhoto", digest)
        keys = (f"person.{number}@firm.example", f"p{number}@firm.example")
        rows.add(Person(UUID(bytes=digest), keys, source, ("thumbnailPhoto",), keys[0]))
    return rows


def accounts(count: int) -> AccountIndex:
    """Index so many users."""
    index = AccountIndex([MatchKey.EMAIL, MatchKey.EMAIL])
    for number in range(1, count + 1):
        index.append(Account(number, True, f"person.{number}@firm.example", None, has_picture=True))
    return index


def plans(count: int) -> tuple[PeopleRows, RunPlan]:
    """Plan an upload for each of so many people."""
    rows = people(count)
    plan = RunPlan(rows)
    for person in rows:
        plan.add(PersonPlan(person, Verdict.UPLOAD_FIRST, 7, replaces_picture=False))
    return rows, plan


@pytest.mark.parametrize(("make", "most"), [(accounts, 40), (plans, 100)], ids=["HighQ", "plans"])
def test_what_is_kept_of_a_person_is_a_few_dozen_bytes(
    make: Callable[[int], object], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a million people fit into a small pod, and one object for each would not."""
    monkeypatch.setattr(packed, "_BUCKETS", 64)  # as full as those of many more people

    def size(count: int) -> int:
        tracemalloc.start()
        kept = make(count)
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del kept
        return taken

    size(MANY)  # some is kept by Python itself, once
    assert (size(MANY) - size(FEW)) / (MANY - FEW) < most
