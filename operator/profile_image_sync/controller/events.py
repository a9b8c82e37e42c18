"""The events of a resource: one for each transition. Pure.

A run started or ended, a request was taken, a person must act, a pause was lifted, a child was repaired: told
once each, so that an idle resource posts nothing, and a failure is told by one event and not by two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from profile_image_sync import names
from profile_image_sync.api.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    Outcome,
    ProfileImageSyncStatus,
    RequestPhase,
    Trigger,
)
from profile_image_sync.controller.actions import Action, Verb
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.decide import Start
from profile_image_sync.controller.pauses import acknowledged
from profile_image_sync.controller.run_result import RunResult
from profile_image_sync.controller.snapshot import Observed
from profile_image_sync.controller.summaries import summary

NOTE_LENGTH = 1000  # characters; the API server takes 1024
_NORMAL = (Outcome.SUCCEEDED, Outcome.DRY_RUN)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person would want to know once."""

    reason: str
    note: str
    warning: bool = False
    job: str | None = None  # whose run it is about


def between(
    before: ProfileImageSyncStatus,
    after: ProfileImageSyncStatus,
    last: RunResult | None,
    job: str | None,
) -> Iterator[Event]:
    """Yield what a change of status is worth; `last` is how the latest run ended, `job` the one under way."""
    yield from _requests(before, after)
    if before.pause and not after.pause and last and last.run.id == before.pause.run:
        yield Event("PauseLifted", f"something changed after run {before.pause.run} failed")
    ended = last is not None and (before.last_run is None or before.last_run.id != last.run.id)
    if last and ended:
        yield _run_ended(last)
    yield from _run_started(before, after, job)
    was, stalled = _stalled(before), _stalled(after)
    was_reason, stalled_reason = was and was.reason, stalled and stalled.reason
    said = ended and last is not None and last.reason == stalled_reason
    if stalled and stalled_reason != was_reason and not said:
        yield Event(stalled.reason, stalled.message, warning=True)


def of_acknowledgement(observed: Observed, start: Start | None) -> Iterator[Event]:
    """Yield which brake a run is let through, and by whom: the spec's history or an annotation's."""
    brake = observed.status.brake
    if start is None or start.trigger is not Trigger.RETRY or brake is None:
        return
    if acknowledged(observed):
        annotated = brake.id in observed.acknowledgement.split()
        channel = f"annotation {names.ACKNOWLEDGE_ANNOTATION}" if annotated else "spec.safety"
        job = names.child(observed.tenant.name, start.run_id)
        yield Event("BrakeAcknowledged", f"brake {brake.id} by {channel}: Job {job}", job=job)


def of_writes(done: Sequence[Action]) -> Iterator[Event]:
    """Yield what was repaired."""
    for action in done:
        if action.repairs:
            what = "was not there" if action.verb is Verb.CREATE else "had been changed"
            which = f"{action.body['kind']} {action.body['metadata']['name']}"
            yield Event("Repaired", f"{which} {what}: it is as it must be again")


def _run_started(
    before: ProfileImageSyncStatus, after: ProfileImageSyncStatus, job: str | None
) -> Iterator[Event]:
    ended = before.last_run != after.last_run
    if job and _is_running(after) and (ended or not _is_running(before)):
        yield Event("RunStarted", f"Job {job}", job=job)


def _is_running(status: ProfileImageSyncStatus) -> bool:
    return any(
        each.type is ConditionType.SYNCED and each.reason == "Running" for each in status.conditions
    )


def _requests(before: ProfileImageSyncStatus, after: ProfileImageSyncStatus) -> Iterator[Event]:
    known = {(r.source, r.value, r.job) for r in before.run_requests}
    for request in after.run_requests:
        taken = request.phase is RequestPhase.RUNNING
        if taken and (request.source, request.value, request.job) not in known:
            note = f"run request {request.value!r} ({request.source.value}): Job {request.job}"
            yield Event("RequestTaken", note, job=request.job)


def _run_ended(last: RunResult) -> Event:
    outcome = last.run.outcome
    note = f"Job {last.run.job}: {summary(last)}" if last.run.job else summary(last)
    if outcome is Outcome.FAILED and last.reason:
        return Event(last.reason, note, warning=True, job=last.run.job)
    reason = f"Run{outcome or 'Ended'}"
    return Event(reason, note, warning=outcome not in _NORMAL, job=last.run.job)


def _stalled(status: ProfileImageSyncStatus) -> Condition | None:
    """Return the condition if a person must act."""
    found = (each for each in status.conditions if each.type is ConditionType.STALLED)
    return next((each for each in found if each.status is ConditionStatus.TRUE), None)


def event_body(resource: Body, event: Event, now: datetime, number: int) -> Body:
    """Return the Event object; `number` tells those of one moment apart."""
    meta = resource["metadata"]
    stamp = int(now.timestamp() * 1_000_000) + number
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.{stamp:x}", "namespace": meta["namespace"]},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "action": "Sync",
        "note": event.note[:NOTE_LENGTH],
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
