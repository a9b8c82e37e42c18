"""Whether a run reads everyone, and why; else what changed since its last look at this server. Pure.

A window of changes never says that somebody is gone, and does not show everything (a group's new member, a
lost right to read): each reason here is a rule that closes one of these gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import MAX_CURSORS, DirectoryCursor, StateHeader
from profile_image_sync.api.status import Trigger
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.directory.changes import Position

RETRY_WAITING = timedelta(days=1)  # reactivated and corrected accounts do not show in a total


class SweepReason(StrEnum):
    """Why a run reads everyone."""

    REQUESTED = "Requested"
    FIRST_SYNC = "FirstSync"  # which is not complete yet
    STATE_CHANGED = "StateChanged"  # by a killed run, a state command, a restore or another version
    SPEC_CHANGED = "SpecChanged"
    ACKNOWLEDGED = "EditAcknowledged"  # it concerns people who have not changed
    BRAKE_PENDING = "BrakePending"  # judged anew, by everyone
    INTERVAL_PASSED = "IntervalPassed"
    POSITION_UNKNOWN = "PositionUnknown"  # the server does not tell how far its changes are
    NEW_SERVER = "NewServer"  # no cursor of it is known
    SERVER_RESTORED = "ServerRestored"  # another database, or its numbers went back
    SCOPE_MOVED = "ScopeMoved"  # a group or a unit changed: its people did not
    PERSON_MISSING = "PersonMissing"  # somebody to be tried again is not shown any more
    MANY_CHANGES = "ManyChanges"  # one by one they would take longer


def scope_fingerprint(spec: ProfileImageSyncSpec) -> str:
    """Return what changes with every field that decides about people who have not changed themselves."""
    directory = spec.active_directory.model_dump_json(
        include={
            "domain",
            "search_bases",
            "user_filter",
            "groups",
            "include_disabled",
            "image_attributes",
        }
    )
    highq = spec.highq.model_dump_json(include={"endpoint", "match"})
    parts = [spec.mode.value, directory, highq, spec.image.model_dump_json()]
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def sweep_due(
    header: StateHeader,
    position: Position | None,
    *,
    trigger: Trigger,
    scope: str,
    interval: timedelta,
    acknowledged: Acknowledgements,
    now: datetime,
) -> SweepReason | None:
    """Return why this run must read everyone; None: a window of this server's changes is enough."""
    edits = (acknowledged.attributes_change, acknowledged.match_change)
    swept = header.last_full_sweep
    if trigger is Trigger.REQUEST:
        return SweepReason.REQUESTED
    if header.first_sync is None or swept is None or header.totals is None:
        return SweepReason.FIRST_SYNC
    if not header.counted:
        return SweepReason.STATE_CHANGED
    if header.scope != scope:
        return SweepReason.SPEC_CHANGED
    if any(acknowledged.allows(edit) for edit in edits):
        return SweepReason.ACKNOWLEDGED
    if header.brake:
        return SweepReason.BRAKE_PENDING
    if not timedelta() <= now - swept < interval:  # a clock may have been ahead
        return SweepReason.INTERVAL_PASSED
    return _unknown_changes(header.cursors, position)


def _unknown_changes(
    cursors: Sequence[DirectoryCursor], position: Position | None
) -> SweepReason | None:
    """Return why the changes since the last look at this server cannot be known."""
    if position is None:
        return SweepReason.POSITION_UNKNOWN
    cursor = next((each for each in cursors if each.server == position.server), None)
    if cursor is None:
        return SweepReason.NEW_SERVER
    if cursor.invocation != position.invocation or cursor.usn > position.usn:
        return SweepReason.SERVER_RESTORED
    return SweepReason.SCOPE_MOVED if cursor.layout != position.layout else None


def with_cursor(
    cursors: Sequence[DirectoryCursor], position: Position | None
) -> tuple[DirectoryCursor, ...]:
    """Return the cursors with that of this server replaced; the oldest fall out."""
    if position is None:
        return tuple(cursors)
    others = [cursor for cursor in cursors if cursor.server != position.server]
    new = DirectoryCursor(
        server=position.server,
        invocation=position.invocation,
        usn=position.usn,
        layout=position.layout,
        seen=position.seen,
    )
    return (*others, new)[-MAX_CURSORS:]


def is_listing_due(header: StateHeader, now: datetime) -> bool:
    """Tell whether those who wait are held against a complete list of HighQ's users once more."""
    listed = header.accounts
    return listed is None or not timedelta() <= now - listed.all_retried < RETRY_WAITING
