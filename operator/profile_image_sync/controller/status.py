"""The status to write for a resource: what is known of its runs, its state and what comes next. Pure.

An unchanged status is not written: an idle cluster sees no write.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from profile_image_sync import names
from profile_image_sync.api import schedule
from profile_image_sync.api.status import (
    MOST_RUNS,
    Outcome,
    ProfileImageSyncStatus,
    RequestPhase,
    Run,
    RunRequest,
    State,
    Trigger,
)
from profile_image_sync.controller.conditions import MESSAGE_LENGTH, View, conditions
from profile_image_sync.controller.decide import Decision
from profile_image_sync.controller.run_result import RunResult, new_results
from profile_image_sync.controller.snapshot import Observed


def status(
    observed: Observed, last: RunResult | None, decision: Decision, now: datetime
) -> ProfileImageSyncStatus:
    """Return the status to write."""
    before = observed.status
    run = _run_of(last) if last else before.last_run
    next_run = _next_run(observed, decision, now)
    requests = _requests(observed, decision)
    header = observed.header
    return _facts(observed, last).model_copy(
        update={
            "observed_generation": observed.tenant.generation,
            "conditions": conditions(View(observed, last, decision, next_run, now)),
            "last_run": run,
            "history": _history(observed),
            "effective_schedule": _effective(observed),
            "next_run_time": next_run,
            "first_sync_completed": bool(header and header.first_sync_completed),
            "run_requests": requests,
            "last_handled_run_request": _last_handled(before, requests),
            "handled_run_requests": (),
            "retry": decision.retry,
            "state": _state(before, decision, last),
            "pause": decision.pause,
        }
    )


def _run_of(last: RunResult) -> Run:
    """Keep why a run ended early: its report is overwritten by the next one's."""
    reason = last.reason or ("RunFailed" if last.failed else None)
    told: dict[str, object] = {
        "reason": reason,
        "message": last.message[:MESSAGE_LENGTH] or None,
    }
    if last.run.outcome is Outcome.DRY_RUN:  # workers of the first version counted it as uploaded
        told |= {"to_upload": last.run.to_upload + last.run.uploaded, "uploaded": 0}
    return last.run.model_copy(update=told)


def _history(observed: Observed) -> tuple[Run, ...]:
    """Put the runs that have ended since before the others; a message is kept of the last run only."""
    new = [_run_of(each).model_copy(update={"message": None}) for each in new_results(observed)]
    return (*new, *observed.status.history)[:MOST_RUNS]


def to_json(status: ProfileImageSyncStatus) -> dict[str, Any]:
    """Return the status as stored. A dry run uploads nothing: its column stays empty."""
    body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not status.handled_run_requests:
        del body["handledRunRequests"]
    for run in (body.get("lastRun", {}), *body["history"]):
        if run.get("outcome") == Outcome.DRY_RUN.value:
            del run["uploaded"]
    return body


def _requests(observed: Observed, decision: Decision) -> tuple[RunRequest, ...]:
    """Return the requests, those that are taken now by the Job that is being made."""
    start = decision.start
    if start is None:
        return decision.requests
    job = names.child(observed.tenant.name, start.run_id)
    taken = {"phase": RequestPhase.RUNNING, "job": job}
    return tuple(
        each.model_copy(update=taken) if each in start.requests else each
        for each in decision.requests
    )


def _last_handled(before: ProfileImageSyncStatus, requests: tuple[RunRequest, ...]) -> str | None:
    """Return the value of the request that is done since; handled means that its run has ended."""
    known = {(each.source, each.value, each.phase) for each in before.run_requests}
    done = RequestPhase.DONE
    new = [each for each in requests if each.phase is done]
    new = [each for each in new if (each.source, each.value, done) not in known]
    return new[-1].value if new else before.last_handled_run_request


def _facts(observed: Observed, last: RunResult | None) -> ProfileImageSyncStatus:
    """Carry over what only a new report changes."""
    before, report = observed.status, observed.report
    update: dict[str, object] = {}
    if report and report.highq_token_expiry and report.run.trigger is Trigger.KEEP_ALIVE:
        update["highq_token_expiry"] = report.highq_token_expiry
    if last is None:
        return before.model_copy(update=update)
    if last.run.outcome in (Outcome.SUCCEEDED, Outcome.PARTIAL_FAILURE):
        update["last_success_time"] = last.run.completion_time
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
