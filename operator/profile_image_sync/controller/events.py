"""The events of a resource: one when a run has ended, one when a person must act. Pure.

Only transitions are told, so that an idle resource posts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from profile_image_sync import names
from profile_image_sync.api.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    Outcome,
    ProfileImageSyncStatus,
)
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.conditions import summary
from profile_image_sync.controller.run_result import RunResult

NOTE_LENGTH = 1000  # characters; the API server takes 1024
_NORMAL = (Outcome.SUCCEEDED, Outcome.DRY_RUN)


def between(
    resource: Body,
    before: ProfileImageSyncStatus,
    after: ProfileImageSyncStatus,
    last: RunResult | None,
    now: datetime,
) -> Iterable[Body]:
    """Yield the events that a change of status is worth; `last` is how the newest run ended."""
    if last and (before.last_run is None or before.last_run.id != last.run.id):
        kind = "Normal" if last.run.outcome in _NORMAL else "Warning"
        reason = f"Run{last.run.outcome or 'Ended'}"
        note = summary(last)
        yield _event(resource, now, "run", note, type=kind, reason=reason)
    was, stalled = _stalled(before), _stalled(after)
    if stalled and (was is None or (was.reason, was.message) != (stalled.reason, stalled.message)):
        note = stalled.message
        yield _event(resource, now, "stalled", note, type="Warning", reason=stalled.reason)


def _stalled(status: ProfileImageSyncStatus) -> Condition | None:
    """Return the condition if a person must act."""
    found = (each for each in status.conditions if each.type is ConditionType.STALLED)
    return next((each for each in found if each.status is ConditionStatus.TRUE), None)


def _event(resource: Body, now: datetime, about: str, note: str, **fields: str) -> Body:
    meta = resource["metadata"]
    stamp = int(now.timestamp() * 1_000_000)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name']}.{stamp:x}.{about}",
            "namespace": meta["namespace"],
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        **fields,
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
