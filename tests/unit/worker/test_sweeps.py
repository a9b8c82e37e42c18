"""Whether a run reads everyone: each reason, their order, and what a cursor is good for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.spec import FirstSync, ProfileImageSyncSpec
from profile_image_sync.api.state_header import (
    MAX_CURSORS,
    CompletedFirstSync,
    DirectoryCursor,
    ListedAccounts,
    PendingBrake,
    StateHeader,
    Totals,
)
from profile_image_sync.api.status import Trigger
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.directory import Position
from profile_image_sync.worker.sweeps import (
    SweepReason,
    is_listing_due,
    scope_fingerprint,
    sweep_due,
    with_cursor,
)

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DATABASE, RESTORED = UUID(int=1), UUID(int=2)
INTERVAL = timedelta(hours=168)
POSITION = Position("dc1.corp.example", DATABASE, 5_000, "groups")
CURSOR = DirectoryCursor(server="dc1.corp.example", invocation=DATABASE, usn=4_000, layout="groups")
SPEC = {
    "schedule": "@hourly",
    "activeDirectory": {"servers": ["ldaps://dc"], "credentialsSecretRef": {"name": "ad"}},
    "highq": {"url": "https://a.b/c", "credentialsSecretRef": {"name": "highq"}},
}
HEADER = StateHeader(
    id=UUID(int=9),
    first_sync_completed=True,
    first_sync=CompletedFirstSync(policy=FirstSync.OVERRIDE, time=NOW, highest_account_id=7),
    match_version=2,
    image_attributes_version=2,
    scope="scope",
    last_full_sweep=NOW - timedelta(hours=1),
    cursors=(CURSOR,),
    totals=Totals(people=9, reasons={}),
    revisions=(3, 4),
    counted_revisions=7,
)


def due(
    position: Position | None = POSITION,
    *,
    trigger: Trigger = Trigger.SCHEDULE,
    scope: str = "scope",
    acknowledge: str = "",
    now: datetime = NOW,
    **changes: Any,
) -> SweepReason | None:
    """Ask for a run of a header that differs so from one that needs no full sweep."""
    header = HEADER.model_copy(update=changes)
    return sweep_due(
        header,
        position,
        trigger=trigger,
        scope=scope,
        interval=INTERVAL,
        acknowledged=Acknowledgements.parse(header, acknowledge),
        now=now,
    )


def edits() -> tuple[str, str]:
    """Return the ids of the last edits of `imageAttributes` and `match`."""
    edited = Acknowledgements(HEADER, ())
    return edited.attributes_change, edited.match_change


@pytest.mark.parametrize("trigger", [Trigger.SCHEDULE, Trigger.RETRY, Trigger.FIRST_RUN])
def test_a_run_of_a_known_server_reads_only_what_changed(trigger: Trigger) -> None:
    """Nothing speaks for a full sweep."""
    assert due(trigger=trigger) is None
    assert due(Position(CURSOR.server, DATABASE, CURSOR.usn, "groups")) is None


CASES: dict[str, tuple[dict[str, Any], SweepReason]] = {
    "a request": ({"trigger": Trigger.REQUEST}, SweepReason.REQUESTED),
    "a first sync that goes on": ({"first_sync": None}, SweepReason.FIRST_SYNC),
    "a state that knows no sweep": ({"last_full_sweep": None}, SweepReason.FIRST_SYNC),
    "a state without totals": ({"totals": None}, SweepReason.FIRST_SYNC),
    "rows changed by others": ({"revisions": (3, 5)}, SweepReason.STATE_CHANGED),
    "a state of an older version": ({"counted_revisions": None}, SweepReason.STATE_CHANGED),
    "an edit of the spec": ({"scope": "another"}, SweepReason.SPEC_CHANGED),
    "an acknowledged edit of imageAttributes": (
        {"acknowledge": edits()[0]}, SweepReason.ACKNOWLEDGED,
    ),
    "an acknowledged edit of match": ({"acknowledge": edits()[1]}, SweepReason.ACKNOWLEDGED),
    "a brake": ({"brake": PendingBrake(id="b", figures={})}, SweepReason.BRAKE_PENDING),
    "the interval": ({"now": NOW + INTERVAL}, SweepReason.INTERVAL_PASSED),
    "a clock that was ahead": ({"now": NOW - timedelta(hours=2)}, SweepReason.INTERVAL_PASSED),
    "a server that does not tell": ({"position": None}, SweepReason.POSITION_UNKNOWN),
    "another server": (
        {"position": Position("dc2.corp.example", DATABASE, 5_000, "groups")},
        SweepReason.NEW_SERVER,
    ),
    "a restored server": (
        {"position": Position(CURSOR.server, RESTORED, 5_000, "groups")},
        SweepReason.SERVER_RESTORED,
    ),
    "numbers that went back": (
        {"position": Position(CURSOR.server, DATABASE, 3_999, "groups")},
        SweepReason.SERVER_RESTORED,
    ),
    "a group or unit that changed": (
        {"position": Position(CURSOR.server, DATABASE, 5_000, "other")}, SweepReason.SCOPE_MOVED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("case", "reason"), CASES.values(), ids=CASES.keys())
def test_what_makes_a_run_read_everyone(case: dict[str, Any], reason: SweepReason) -> None:
    """Each gap that a window of changes leaves has its rule."""
    assert due(**case) is reason


def test_a_spent_acknowledgement_reads_nobody_again() -> None:
    """It was served by the run that it let through."""
    assert due(acknowledge=" ".join(edits()), spent_acknowledgements=edits()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "OneOff"},
        {"activeDirectory": {"searchBases": ["OU=A,DC=x"]}},
        {"activeDirectory": {"userFilter": "(a=b)"}},
        {"activeDirectory": {"groups": ["CN=G,DC=x"]}},
        {"activeDirectory": {"includeDisabled": True}},
        {"activeDirectory": {"imageAttributes": ["jpegPhoto"]}},
        {"highq": {"endpoint": "ProfileImage"}},
        {"highq": {"match": [{"activeDirectory": "mail", "highq": "externalid"}]}},
        {"image": {"minSourceSize": 96}},
    ],
    ids=str,
)
def test_an_edit_that_concerns_people_who_have_not_changed_is_another_scope(
    change: dict[str, Any],
) -> None:
    """A window would not show them."""
    assert fingerprint(change) != fingerprint({})


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": "@daily"},
        {"dryRun": True},
        {"activeDirectory": {"servers": ["ldaps://dc2"]}},
        {"activeDirectory": {"fullSweepInterval": "24h"}},
        {"safety": {"maxChangedPercent": 10}},
        {"highq": {"requestsPerMinute": 60}},
    ],
    ids=str,
)
def test_any_other_edit_is_the_same_scope(change: dict[str, Any]) -> None:
    """It costs no full sweep."""
    assert fingerprint(change) == fingerprint({})


def fingerprint(change: dict[str, Any]) -> str:
    """Return the fingerprint of a spec with this change."""
    merged = {
        field: SPEC.get(field, {}) | value if isinstance(value, dict) else value  # type: ignore[operator]
        for field, value in change.items()
    }
    return scope_fingerprint(ProfileImageSyncSpec.model_validate(SPEC | merged))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2**40)), max_size=60))
def test_each_server_has_one_cursor_its_last_and_the_oldest_fall_out(
    reads: list[tuple[int, int]],
) -> None:
    """However many domain controllers a domain has, the header stays small."""
    cursors: tuple[DirectoryCursor, ...] = ()
    for server, usn in reads:
        cursors = with_cursor(cursors, Position(f"dc{server}", DATABASE, usn, "x"))
    last = dict(reads)
    kept = {cursor.server: cursor.usn for cursor in cursors}
    newest = list(dict.fromkeys(server for server, _ in reversed(reads)))[:MAX_CURSORS]
    assert kept == {f"dc{server}": last[server] for server in newest}
    assert len(cursors) == len(kept)


def test_a_server_that_does_not_tell_changes_no_cursor() -> None:
    """Those of the others hold."""
    assert with_cursor((CURSOR,), None) == (CURSOR,)


@pytest.mark.parametrize(("hours", "is_due"), [(0, False), (23.9, False), (24, True), (-1, True)])
def test_those_who_wait_are_held_against_a_list_once_a_day(hours: float, is_due: bool) -> None:
    """Reactivated and corrected accounts do not show in a total; a clock may have been ahead."""
    retried = NOW - timedelta(hours=hours)
    listed = ListedAccounts(total=3, highest_id=9, all_retried=retried)
    assert is_listing_due(HEADER.model_copy(update={"accounts": listed}), NOW) is is_due
    assert is_listing_due(HEADER, NOW)
