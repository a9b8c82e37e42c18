"""What the operator says of a resource: from how its last run ended to status and conditions. Pure.

A condition's lastTransitionTime moves only when its status flips, and an unchanged status is not
written: an idle cluster sees no write.
"""

from __future__ import annotations

from datetime import datetime

from profile_image_sync.api import schedule
from profile_image_sync.api.status import (
    MOST_RUNS,
    Condition,
    ConditionStatus,
    ConditionType,
    Outcome,
    ProfileImageSyncStatus,
    State,
)
from profile_image_sync.controller.decide import Decision, pending_requests, present_requests
from profile_image_sync.controller.run_result import RunResult
from profile_image_sync.controller.snapshot import Blocker, Observed

MESSAGE_LENGTH = 1024  # characters of a condition's message


def status(
    observed: Observed, last: RunResult | None, decision: Decision, now: datetime
) -> ProfileImageSyncStatus:
    """Return the status to write."""
    before = observed.status
    run = last.run if last else before.last_run
    is_new = bool(last and (before.last_run is None or last.run.id != before.last_run.id))
    return _facts(before, last).model_copy(
        update={
            "observed_generation": observed.tenant.generation,
            "conditions": _conditions(observed, last, decision, now),
            "last_run": run,
            "history": (run, *before.history)[:MOST_RUNS] if is_new else before.history,
            "effective_schedule": _effective(observed),
            "next_run_time": _next_run(observed, decision, now),
            "first_sync_completed": bool(observed.header and observed.header.first_sync_completed),
            "handled_run_requests": _handled(observed),
            "state": _state(before, decision, last),
            "pause": decision.pause,
        }
    )


def _facts(before: ProfileImageSyncStatus, last: RunResult | None) -> ProfileImageSyncStatus:
    """Carry over what only a new report changes."""
    if last is None:
        return before
    update: dict[str, object] = {}
    if last.run.outcome in (Outcome.SUCCEEDED, Outcome.PARTIAL_FAILURE):
        update["last_success_time"] = last.run.completion_time
    if last.run.request:
        update["last_handled_run_request"] = last.run.request
    if last.report:
        update["brake"] = last.report.brake
        if last.report.highq_token_expiry:
            update["highq_token_expiry"] = last.report.highq_token_expiry
    return before.model_copy(update=update)


def _state(
    before: ProfileImageSyncStatus, decision: Decision, last: RunResult | None
) -> State | None:
    """Prefer what the last run measured, if it speaks of the same state; when blocked nothing changes."""
    if decision.state is None:
        return before.state
    ours = str(decision.state.id)
    measured = last.report.state if last and last.report else None
    for known in (measured, before.state):
        if known and known.id == ours:
            return known
    return State(id=ours)


def _handled(observed: Observed) -> tuple[str, ...]:
    """Return what needs no other run, though it goes on asking: Jobs that served it expire."""
    pending = pending_requests(observed)
    return tuple(each for each in present_requests(observed) if each not in pending)


def _effective(observed: Observed) -> str | None:
    tenant = observed.tenant
    if tenant.spec.schedule is None:
        return None
    return schedule.effective(tenant.spec.schedule, tenant.identity)


def _next_run(observed: Observed, decision: Decision, now: datetime) -> datetime | None:
    tenant = observed.tenant
    if tenant.spec.schedule is None or decision.suspend:
        return None
    return schedule.next_run(tenant.spec.schedule, tenant.spec.time_zone, now, tenant.identity)


def _conditions(
    observed: Observed, last: RunResult | None, decision: Decision, now: datetime
) -> tuple[Condition, ...]:
    before = {condition.type: condition for condition in observed.status.conditions}
    generation = observed.tenant.generation
    wanted = (
        _ready(last, decision.blocker),
        _reconciling(decision.blocker),
        _stalled(last, decision),
        _synced(observed, last),
    )
    return tuple(_condition(each, before.get(each[0]), generation, now) for each in wanted)


def blocked(
    before: ProfileImageSyncStatus, blocker: Blocker, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions of a resource that cannot be understood; how its last run went stays."""
    known = {condition.type: condition for condition in before.conditions}
    wanted = [_ready(None, blocker), (ConditionType.STALLED, True, blocker.reason, blocker.message)]
    made = [_condition(each, known.get(each[0]), generation, now) for each in wanted]
    others = [condition for kind, condition in known.items() if kind not in {c.type for c in made}]
    return (*made, *others)


Wanted = tuple[
    ConditionType, bool | None, str, str
]  # type, status (None: unknown), reason, message

_STATUSES = {
    True: ConditionStatus.TRUE,
    False: ConditionStatus.FALSE,
    None: ConditionStatus.UNKNOWN,
}


def _condition(
    wanted: Wanted, before: Condition | None, generation: int, now: datetime
) -> Condition:
    kind, holds, reason, message = wanted
    flipped = before is None or before.status is not _STATUSES[holds]
    return Condition(
        type=kind,
        status=_STATUSES[holds],
        reason=reason,
        message=message[:MESSAGE_LENGTH],
        last_transition_time=now if flipped or before is None else before.last_transition_time,
        observed_generation=generation,
    )


def _ready(last: RunResult | None, blocker: Blocker | None) -> Wanted:
    if blocker:
        return ConditionType.READY, False, blocker.reason, blocker.message
    if last and last.run.outcome is Outcome.FAILED:
        return ConditionType.READY, False, last.reason or "RunFailed", summary(last)
    return ConditionType.READY, True, "Ready", "the spec is accepted and the last run did not fail"


def _reconciling(blocker: Blocker | None) -> Wanted:
    if blocker and blocker.transient:
        return ConditionType.RECONCILING, True, blocker.reason, blocker.message
    return ConditionType.RECONCILING, False, "Reconciled", "the children are in place"


def _stalled(last: RunResult | None, decision: Decision) -> Wanted:
    """Nobody must act again when a pause is lifted: the next run tells whether that was it."""
    blocker = decision.blocker
    if blocker and not blocker.transient:
        return ConditionType.STALLED, True, blocker.reason, blocker.message
    if last and decision.pause:
        return ConditionType.STALLED, True, last.reason or "RunFailed", summary(last)
    return ConditionType.STALLED, False, "NotStalled", "nobody needs to act"


def _synced(observed: Observed, last: RunResult | None) -> Wanted:
    spec = observed.tenant.spec
    if observed.active:
        return ConditionType.SYNCED, None, "Running", f"Job {observed.active.name} is under way"
    if last is None or last.run.outcome is None:
        if spec.suspend:
            return (
                ConditionType.SYNCED,
                False,
                "Suspended",
                "spec.suspend is set; nothing has run yet",
            )
        if spec.schedule and not spec.run_on_create:
            text = "the first run comes with the schedule"
            return ConditionType.SYNCED, False, "WaitingForSchedule", text
        return ConditionType.SYNCED, False, "NeverRun", "no run has ended yet"
    if spec.suspend:
        return (
            ConditionType.SYNCED,
            _good(last),
            "Suspended",
            f"spec.suspend is set. {summary(last)}",
        )
    return ConditionType.SYNCED, _good(last), last.run.outcome.value, summary(last)


def _good(last: RunResult) -> bool:
    return last.run.outcome is Outcome.SUCCEEDED


def summary(last: RunResult) -> str:
    """Say how a run ended, for people."""
    if last.message:
        return last.message
    run, report = last.run, last.report
    text = (
        f"{run.people} people: {run.uploaded} uploaded, {run.adopted} adopted, {run.failed} failed"
    )
    reasons = sorted(report.reasons.items()) if report else []
    blocker = [f"{reason} {count}" for reason, count in reasons if not reason.startswith("Upload")]
    return (
        ". ".join([text, ", ".join(blocker), *(report.notes if report else ())]).strip(". ") + "."
    )
