"""The events of a resource: one when a run has ended, one when a person must act. Pure.

Only transitions are told, so that an idle resource posts nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime

from profile_image_sync import names
from profile_image_sync.api.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    ProfileImageSyncStatus,
)
from profile_image_sync.controller.bodies import Body

NOTE_LENGTH = 1000  # characters; the API server takes 1024


def between(
    resource: Body, before: ProfileImageSyncStatus, after: ProfileImageSyncStatus, now: datetime
) -> Iterable[Body]:
    """Yield the events that a change of status is worth."""
    synced, stalled = _one(after, ConditionType.SYNCED), _one(after, ConditionType.STALLED)
    run = after.last_run
    if run and synced and (before.last_run is None or before.last_run.id != run.id):
        kind = "Normal" if synced.status is ConditionStatus.TRUE else "Warning"
        reason = f"Run{run.outcome}" if run.outcome else "RunEnded"
        yield _event(resource, kind, reason, synced.message, now)
    was = _one(before, ConditionType.STALLED)
    if stalled and stalled.status is ConditionStatus.TRUE and _words(was) != _words(stalled):
        yield _event(resource, "Warning", stalled.reason, stalled.message, now)


def _one(status: ProfileImageSyncStatus, kind: ConditionType) -> Condition | None:
    return next((each for each in status.conditions if each.type is kind), None)


def _words(condition: Condition | None) -> tuple[object, ...]:
    return (condition.status, condition.reason, condition.message) if condition else ()


def _event(resource: Body, kind: str, reason: str, note: str, now: datetime) -> Body:
    meta = resource["metadata"]
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name']}.{secrets.token_hex(8)}",
            "namespace": meta["namespace"],
        },
        "eventTime": stamp,
        "type": kind,
        "reason": reason,
        "action": "Sync",
        "note": note[:NOTE_LENGTH],
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        },
        "reportingController": f"{names.GROUP}/operator",
        "reportingInstance": names.PRODUCT,
    }
