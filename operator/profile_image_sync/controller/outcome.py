"""What the last run means: from reports and Jobs to status and conditions. Pure.

A condition's lastTransitionTime moves only when its status flips, and an unchanged status is not
written: an idle cluster sees no write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from profile_image_sync.api import schedule
from profile_image_sync.api.report import Report
from profile_image_sync.api.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    Outcome,
    ProfileImageSyncStatus,
    Run,
    State,
)
from profile_image_sync.controller.observed import JobView, Observed
from profile_image_sync.errors import EXIT_FINISHED, EXIT_NEEDS_HUMAN

HISTORY = 5  # runs
MESSAGE_LENGTH = 1024  # characters of a condition's message


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, by its own report or, when it left none, by its Job."""

    run: Run
    exit_code: int
    reason: str
    message: str
    report: Report | None

    @property
    def needs_human(self) -> bool:
        """Tell whether retrying cannot help."""
        return self.exit_code == EXIT_NEEDS_HUMAN


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why no run may start at all, and what to do."""

    reason: str
    message: str


def ending(observed: Observed) -> Ending | None:
    """Return how the newest run ended; None when none has ended yet."""
    endings = [*_reported(observed), *_unreported(observed), *_remembered(observed)]
    return max(endings, key=lambda e: e.run.completion_time or _LONG_AGO, default=None)


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _reported(observed: Observed) -> Iterable[Ending]:
    """Leave out the report of a Job that goes on: that try failed, the next one may end well."""
    report, active = observed.report, observed.active
    if report and not (active and active.uid == report.run.job):
        yield Ending(report.run, report.exit_code, report.reason, report.message, report)


def _unreported(observed: Observed) -> Iterable[Ending]:
    told = observed.report.run.job if observed.report else None
    for job in observed.jobs:
        if job.finished and job.failed and not job.busy and job.uid != told:
            yield Ending(_lost(job), job.exit_code, job.reason, _words(job), None)


def _remembered(observed: Observed) -> Iterable[Ending]:
    """Take status' word for a run whose report and Job are gone."""
    run, hold = observed.status.last_run, observed.status.hold
    if run:
        held = hold is not None and hold.run == run.id
        ready = next((c for c in observed.status.conditions if c.type is ConditionType.READY), None)
        failed = run.outcome is Outcome.FAILED and ready is not None
        reason, message = (ready.reason, ready.message) if failed and ready else ("", "")
        yield Ending(run, EXIT_NEEDS_HUMAN if held else EXIT_FINISHED, reason, message, None)


def _lost(job: JobView) -> Run:
    return Run(
        id=job.uid,
        request=job.requests[-1] if job.requests else None,
        start_time=job.created,
        completion_time=job.finished,
        outcome=Outcome.FAILED,
        job=job.uid,
    )


def _words(job: JobView) -> str:
    return f"Job {job.name} failed without a report ({job.message}): see the logs of its pods"


def status(
    observed: Observed,
    last: Ending | None,
    trouble: Trouble | None,
    changes: ProfileImageSyncStatus,
    now: datetime,
) -> ProfileImageSyncStatus:
    """Return the status to write. `changes` brings what the decision set: state, hold."""
    before, spec = observed.status, observed.tenant.spec
    run = last.run if last else before.last_run
    is_new = bool(last and (before.last_run is None or last.run.id != before.last_run.id))
    facts = _facts(before, last)
    return facts.model_copy(
        update={
            "observed_generation": observed.tenant.generation,
            "conditions": _conditions(observed, last, trouble, now),
            "last_run": run,
            "history": (run, *before.history)[:HISTORY] if is_new else before.history,
            "effective_schedule": _effective(observed),
            "next_run_time": _next_run(observed, changes, now),
            "first_sync_completed": bool(observed.header and observed.header.first_sync_completed),
            "state": _state(before, changes, last),
            "hold": changes.hold,
        }
        | ({"next_run_time": None} if spec.suspend else {})
    )


def _facts(before: ProfileImageSyncStatus, last: Ending | None) -> ProfileImageSyncStatus:
    """Carry over what only a new report changes."""
    if last is None:
        return before
    ended_well = last.run.outcome in (Outcome.SUCCEEDED, Outcome.PARTIAL_FAILURE)
    update: dict[str, object] = {}
    if ended_well:
        update["last_success_time"] = last.run.completion_time
    if last.run.request:
        update["last_handled_run_request"] = last.run.request
    if last.report:
        update["brake"] = last.report.brake
        if last.report.highq_token_expiry:
            update["highq_token_expiry"] = last.report.highq_token_expiry
    return before.model_copy(update=update)


def _state(
    before: ProfileImageSyncStatus, changes: ProfileImageSyncStatus, last: Ending | None
) -> State | None:
    """Prefer what the last run measured, if it speaks of the same state."""
    measured = last.report.state if last and last.report else None
    for known in (measured, before.state):
        if known and (changes.state is None or known.id == changes.state.id):
            return known
    return changes.state


def _effective(observed: Observed) -> str | None:
    tenant = observed.tenant
    if tenant.spec.schedule is None:
        return None
    return schedule.effective(tenant.spec.schedule, tenant.identity)


def _next_run(
    observed: Observed, changes: ProfileImageSyncStatus, now: datetime
) -> datetime | None:
    tenant = observed.tenant
    if tenant.spec.schedule is None or changes.hold:
        return None
    return schedule.next_run(tenant.spec.schedule, tenant.spec.time_zone, now, tenant.identity)


def _conditions(
    observed: Observed, last: Ending | None, trouble: Trouble | None, now: datetime
) -> tuple[Condition, ...]:
    before = {condition.type: condition for condition in observed.status.conditions}
    generation = observed.tenant.generation
    wanted = (
        _ready(last, trouble),
        (ConditionType.RECONCILING, False, "Reconciled", "the children are in place"),
        _stalled(last, trouble),
        _synced(observed, last),
    )
    return tuple(_condition(each, before.get(each[0]), generation, now) for each in wanted)


def troubled(
    before: ProfileImageSyncStatus, trouble: Trouble, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions of a resource that cannot be understood; how its last run went stays."""
    known = {condition.type: condition for condition in before.conditions}
    wanted = [_ready(None, trouble), _stalled(None, trouble)]
    made = [_condition(each, known.get(each[0]), generation, now) for each in wanted]
    others = [condition for kind, condition in known.items() if kind not in {c.type for c in made}]
    return (*made, *others)


Wanted = tuple[
    ConditionType, bool | None, str, str
]  # type, status (None: unknown), reason, message


def _condition(
    wanted: Wanted, before: Condition | None, generation: int, now: datetime
) -> Condition:
    kind, holds, reason, message = wanted
    words = {
        True: ConditionStatus.TRUE,
        False: ConditionStatus.FALSE,
        None: ConditionStatus.UNKNOWN,
    }
    flipped = before is None or before.status is not words[holds]
    return Condition(
        type=kind,
        status=words[holds],
        reason=reason,
        message=message[:MESSAGE_LENGTH],
        last_transition_time=now if flipped or before is None else before.last_transition_time,
        observed_generation=generation,
    )


def _ready(last: Ending | None, trouble: Trouble | None) -> Wanted:
    if trouble:
        return ConditionType.READY, False, trouble.reason, trouble.message
    if last and last.run.outcome is Outcome.FAILED:
        return ConditionType.READY, False, last.reason or "RunFailed", _why(last)
    return ConditionType.READY, True, "Ready", "the spec is accepted and the last run did not fail"


def _stalled(last: Ending | None, trouble: Trouble | None) -> Wanted:
    if trouble:
        return ConditionType.STALLED, True, trouble.reason, trouble.message
    if last and last.needs_human:
        return ConditionType.STALLED, True, last.reason, last.message
    return ConditionType.STALLED, False, "NotStalled", "nobody needs to act"


def _synced(observed: Observed, last: Ending | None) -> Wanted:
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
        return ConditionType.SYNCED, _good(last), "Suspended", f"spec.suspend is set. {_why(last)}"
    return ConditionType.SYNCED, _good(last), last.run.outcome.value, _why(last)


def _good(last: Ending) -> bool:
    return last.run.outcome is Outcome.SUCCEEDED


def _why(last: Ending) -> str:
    if last.message:
        return last.message
    run, report = last.run, last.report
    text = (
        f"{run.people} people: {run.uploaded} uploaded, {run.adopted} adopted, {run.failed} failed"
    )
    reasons = sorted(report.reasons.items()) if report else []
    trouble = [f"{reason} {count}" for reason, count in reasons if not reason.startswith("Upload")]
    return (
        ". ".join([text, ", ".join(trouble), *(report.notes if report else ())]).strip(". ") + "."
    )
