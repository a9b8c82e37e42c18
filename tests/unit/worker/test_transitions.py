"""How a run changes the state's header."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from profile_image_sync.api.spec import FirstSync, ProfileImageSyncSpec
from profile_image_sync.api.state_header import (
    MAX_SWEEPS,
    CompletedFirstSync,
    DirectoryCursor,
    ListedAccounts,
    PendingBrake,
    StateHeader,
    Sweep,
    Totals,
    new_header,
)
from profile_image_sync.api.state_policy import StatePolicy
from profile_image_sync.errors import StateMismatch
from profile_image_sync.worker import transitions
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.brakes import LimitBreach
from profile_image_sync.worker.directory import Position

LOST, PRESENT = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 5, 4, tzinfo=UTC)
HIGHEST = 9  # id of a HighQ user
HEADER = new_header(PRESENT)


def spec(**changes: Any) -> ProfileImageSyncSpec:
    """Return a spec as a user writes it."""
    return ProfileImageSyncSpec.model_validate(
        {
            "schedule": "@hourly",
            "activeDirectory": {"servers": ["ldaps://dc"], "credentialsSecretRef": {"name": "ad"}},
            "highq": {"url": "https://a.b/c", "credentialsSecretRef": {"name": "highq"}},
        }
        | changes
    )


@pytest.mark.parametrize(
    ("policy", "header"),
    [
        (StatePolicy(), HEADER),
        (StatePolicy(id=str(PRESENT)), HEADER),
        (StatePolicy(id=str(LOST), acknowledge_loss=str(LOST)), new_header(PRESENT, LOST)),
    ],
    ids=["nothing is pinned", "the pinned one", "the pinned one was given up for it"],
)
def test_the_pinned_state_goes_on(policy: StatePolicy, header: StateHeader) -> None:
    """Rule 9: "`state.id` in the spec pins the state from Git"; acknowledgeLoss overrules it."""
    transitions.require_pinned(header, policy, "memory")


@pytest.mark.parametrize(
    ("policy", "header"),
    [
        (StatePolicy(id=str(LOST)), HEADER),
        (StatePolicy(id=str(LOST), acknowledge_loss=str(LOST)), HEADER),
        (StatePolicy(id=str(LOST)), new_header(PRESENT, LOST)),
        (StatePolicy(id=str(LOST), acknowledge_loss=str(UUID(int=9))), new_header(PRESENT, LOST)),
    ],
    ids=[
        "another one",
        "another one that was not begun for it",
        "without the acknowledgement",
        "the loss of a third one was acknowledged",
    ],
)
def test_another_state_than_the_pinned_one_stops(policy: StatePolicy, header: StateHeader) -> None:
    """On a rebuilt cluster, where status is gone, Git still knows which state belongs here."""
    with pytest.raises(StateMismatch, match=rf"holds state {PRESENT}, but spec.state.id is {LOST}"):
        transitions.require_pinned(header, policy, "memory")


def test_a_completed_state_of_the_first_delivery_takes_the_facts_from_its_first_listing() -> None:
    """Rule 5: "A completed state without these facts … takes them from its first listing"."""
    old = HEADER.model_copy(update={"first_sync_completed": True})
    header = transitions.begun(old, spec(firstSync="Adopt"), HIGHEST, NOW)
    facts = CompletedFirstSync(policy=FirstSync.ADOPT, time=NOW, highest_account_id=9)
    assert header.first_sync == facts
    assert transitions.begun(HEADER, spec(), HIGHEST, NOW).first_sync is None


def test_a_completed_first_sync_stays_as_it_was() -> None:
    """Rule 5: "editing the field later changes nothing"."""
    header = transitions.completed(HEADER, FirstSync.ADOPT, HIGHEST, NOW)
    assert header.first_sync_completed
    later = transitions.completed(header, FirstSync.OVERRIDE, 11, NOW + timedelta(days=1))
    assert later == header
    empty = transitions.completed(HEADER, FirstSync.ADOPT, 0, NOW).first_sync
    assert empty == CompletedFirstSync(policy=FirstSync.ADOPT, time=NOW, highest_account_id=0)


def after(header: StateHeader, *breaches: LimitBreach, given: str = "") -> StateHeader:
    """End a run without a stop."""
    return transitions.ended(
        header,
        requests=("once",),
        sweep=Sweep(people=1, images={}),
        breaches=breaches,
        acknowledged=Acknowledgements.parse(header, given),
    )


def test_the_last_eight_sweeps_are_remembered() -> None:
    """Rule 10: "the largest of the last eight full sweeps"."""
    header = HEADER.model_copy(update={"sweeps": (Sweep(people=99, images={}),)})
    for _ in range(MAX_SWEEPS - 1):
        header = after(header)
    assert [sweep.people for sweep in header.sweeps] == [99, *[1] * 7]
    assert [sweep.people for sweep in after(header).sweeps] == [1] * 8
    assert header.handled_requests == ("once",)


def test_an_acknowledged_sweep_becomes_the_only_baseline() -> None:
    """Rule 10: else the former size of the firm would stop every run of the next weeks."""
    brake = PendingBrake(id="3f9a", figures={})
    header = HEADER.model_copy(
        update={"sweeps": (Sweep(people=99, images={}),) * 2, "brake": brake}
    )
    fewer = after(header, LimitBreach("TooFewPeople", 98, "…"), given="3f9a")
    assert [sweep.people for sweep in fewer.sweeps] == [1]
    assert (fewer.brake, fewer.spent_acknowledgements) == (None, ("3f9a",))
    changes = after(header, LimitBreach("TooManyChanges", 98, "…"), given="3f9a")
    assert len(changes.sweeps) == 3


def test_an_acknowledgement_that_was_not_given_is_not_spent() -> None:
    """Numbers that have recovered by themselves need none."""
    header = HEADER.model_copy(update={"brake": PendingBrake(id="3f9a", figures={})})
    assert (after(header).brake, after(header).spent_acknowledgements) == (None, ())


SWEPT = NOW - timedelta(days=1)
LISTED = ListedAccounts(total=2, highest_id=9, all_retried=SWEPT)


def counted(
    scope: str, *, swept: datetime | None = None, accounts: ListedAccounts | None = None
) -> StateHeader:
    """Record what a run under this scope has counted, read from dc1, after one from dc2 under scope 2."""
    cursor = DirectoryCursor(server="dc2", invocation=LOST, usn=7)
    before = {
        "scope": "scope 2",
        "cursors": (cursor,),
        "last_full_sweep": SWEPT,
        "accounts": LISTED,
    }
    return transitions.counted(
        HEADER.model_copy(update=before),
        swept=swept,
        scope=scope,
        position=Position("dc1", PRESENT, 5),
        totals=Totals(people=3, reasons={}),
        accounts=accounts,
    )


def test_a_run_of_changes_leaves_what_it_has_not_done_anew() -> None:
    """Cursors of other servers, the last full sweep and the last list of HighQ's users stay."""
    header = counted(f"scope {2}")
    assert [cursor.server for cursor in header.cursors] == ["dc2", "dc1"]
    assert (header.last_full_sweep, header.accounts) == (SWEPT, LISTED)
    assert header.totals == Totals(people=3, reasons={})


@pytest.mark.parametrize("scope", ["scope 1", "scope 3"])
def test_another_scope_forgets_the_cursors_of_other_servers(scope: str) -> None:
    """What they have not shown under this scope is not known."""
    fresh = ListedAccounts(total=3, highest_id=11, all_retried=NOW)
    header = counted(scope, swept=NOW, accounts=fresh)
    assert [cursor.server for cursor in header.cursors] == ["dc1"]
    assert (header.scope, header.last_full_sweep, header.accounts) == (scope, NOW, fresh)
