"""The four conditions of a resource, as one table over the few situations it can be in. Pure.

One table, because conditions that are each worked out by themselves contradict each other: READY False beside
STATUS Succeeded, "nobody needs to act" beside an error that stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from profile_image_sync.api.spec import Mode
from profile_image_sync.api.status import Condition, ConditionStatus, ConditionType, Outcome
from profile_image_sync.controller.decide import POD_WITHIN, Decision
from profile_image_sync.controller.evidence import Problem
from profile_image_sync.controller.pauses import changed_since
from profile_image_sync.controller.run_result import BRAKE, RunResult
from profile_image_sync.controller.snapshot import Blocker, JobView, Observed
from profile_image_sync.controller.summaries import moment, numbers, summary

MESSAGE_LENGTH = 1024  # characters of a condition's message
NEVER = datetime.fromisoformat("1970-01-01T00:00:00Z")  # of the CRD's default

Told = tuple[str, str]  # reason, message


class Situation(Enum):
    """What a resource is in; each row of the table is one."""

    BLOCKED = auto()  # nothing may run until a person acts
    WAITING = auto()  # nothing may run for a moment
    STUCK = auto()  # a Job cannot start, and a person must act
    DELAYED = auto()  # a Job cannot start yet
    STALLED = auto()  # the last run needs a person
    MENDING = auto()  # a run is to show whether what a person did was enough
    FAILED = auto()  # the last run failed; the next may succeed
    FIRST_RUN = auto()  # a first run has not got through planning yet
    READY = auto()


# Ready, Reconciling, Stalled
_TRUE, _FALSE, _UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
TABLE = {
    Situation.BLOCKED: (_FALSE, _FALSE, _TRUE),
    Situation.WAITING: (_FALSE, _TRUE, _FALSE),
    Situation.STUCK: (_FALSE, _FALSE, _TRUE),
    Situation.DELAYED: (_FALSE, _TRUE, _FALSE),
    Situation.STALLED: (_FALSE, _FALSE, _TRUE),
    Situation.MENDING: (_UNKNOWN, _TRUE, _FALSE),
    Situation.FAILED: (_FALSE, _FALSE, _FALSE),
    Situation.FIRST_RUN: (_UNKNOWN, _TRUE, _FALSE),
    Situation.READY: (_TRUE, _FALSE, _FALSE),
}


@dataclass(frozen=True, slots=True)
class View:
    """What conditions are worked out from."""

    observed: Observed
    last: RunResult | None
    decision: Decision
    next_run: datetime | None  # of the schedule
    now: datetime

    @property
    def problem(self) -> Problem | None:
        """Return why the Job under way does not start."""
        job = self.active
        if job is None or job.evidence.started:
            return None
        if job.evidence.problem or job.evidence.pods or self.now - job.created < POD_WITHIN:
            return job.evidence.problem
        return Problem(
            "NoPod",
            f"Job {job.name} gets no pod: a quota, an admission policy or a missing ServiceAccount keeps it "
            f"away; see `kubectl describe job {job.name}`",
            human=True,
        )

    @property
    def active(self) -> JobView | None:
        """Return the run under way, unless it is being replaced."""
        return None if self.decision.replaced else self.observed.active

    @property
    def situation(self) -> Situation:
        """Choose the row; the first that fits."""
        blocker, problem, last = self.decision.blocker, self.problem, self.last
        if blocker:
            return Situation.WAITING if blocker.transient else Situation.BLOCKED
        if problem:
            return Situation.STUCK if problem.human else Situation.DELAYED
        if last and last.failed:
            if self._mending(last):
                return Situation.MENDING
            return Situation.STALLED if last.needs_human else Situation.FAILED
        if last is None and self._first_run_is_due() and not self._planned():
            return Situation.FIRST_RUN
        return Situation.READY

    def _mending(self, last: RunResult) -> bool:
        """Tell whether a run that something new led to is about to start, or under way."""
        job = self.active
        if self.decision.start:
            return last.needs_human or changed_since(self.observed, last)
        if job is None:
            return False
        return last.needs_human and (not job.scheduled or job.generation != last.run.generation)

    def _first_run_is_due(self) -> bool:
        return bool(self.active or self.decision.start or self.decision.requeue_at)

    def _planned(self) -> bool:
        """Tell whether a run got through reading, authorising and planning before."""
        observed = self.observed
        return bool(observed.progress or observed.status.last_success_time)


def conditions(view: View) -> tuple[Condition, ...]:
    """Return Ready, Reconciling, Stalled and Synced."""
    situation = view.situation
    ready, reconciling, stalled = TABLE[situation]
    told = _ready(view, situation)
    nothing: Told = ("Reconciled", "the children are in place")
    nobody: Told = ("NotStalled", "nobody needs to act")
    status, *synced = _synced(view, situation, told)
    wanted = (
        (ConditionType.READY, ready, told),
        (ConditionType.RECONCILING, reconciling, told if reconciling is _TRUE else nothing),
        (ConditionType.STALLED, stalled, told if stalled is _TRUE else nobody),
        (ConditionType.SYNCED, status, (synced[0], synced[1])),
    )
    before = {condition.type: condition for condition in view.observed.status.conditions}
    generation = view.observed.tenant.generation
    return tuple(
        _condition(kind, status, told, before=before.get(kind), generation=generation, now=view.now)
        for kind, status, told in wanted
    )


def blocked(
    before: tuple[Condition, ...], blocker: Blocker, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions of a resource that cannot be understood, or whose children cannot be read."""
    known = {condition.type: condition for condition in before}
    told = (blocker.reason, blocker.message)
    ready, reconciling, stalled = TABLE[Situation.BLOCKED]
    wanted = (
        (ConditionType.READY, ready, told),
        (ConditionType.RECONCILING, reconciling, ("Reconciled", "nothing is being done")),
        (ConditionType.STALLED, stalled, told),
        (ConditionType.SYNCED, _FALSE, ("Suspended", f"nothing runs: {blocker.message}")),
    )
    return tuple(
        _condition(kind, status, told, before=known.get(kind), generation=generation, now=now)
        for kind, status, told in wanted
    )


def _condition(
    kind: ConditionType,
    status: ConditionStatus,
    told: Told,
    *,
    before: Condition | None,
    generation: int,
    now: datetime,
) -> Condition:
    same = before is not None and before.status is status and before.last_transition_time != NEVER
    return Condition(
        type=kind,
        status=status,
        reason=told[0],
        message=told[1][:MESSAGE_LENGTH],
        last_transition_time=before.last_transition_time if same and before else now,
        observed_generation=generation,
    )


def _ready(view: View, situation: Situation) -> Told:
    """Say why the resource is ready or not; without words while all is well."""
    blocker, problem, last = view.decision.blocker, view.problem, view.last
    if blocker:
        return blocker.reason, blocker.message
    if problem:
        return problem.reason, problem.message
    if (
        last
        and last.failed
        and (situation is Situation.MENDING or changed_since(view.observed, last))
    ):
        generation = view.observed.tenant.generation
        what = "spec" if last.run.generation != generation else "a Secret or ConfigMap"
        failure = f"since the last run failed ({last.reason or 'RunFailed'})"
        return "NotTriedYet", f"{what} changed {failure}; not tried yet: {_next(view)}"
    if situation is Situation.FIRST_RUN:
        return "FirstRunPending", f"no run has got through planning yet: {_next(view)}"
    if last and last.failed:
        return last.reason or "RunFailed", f"{_sentence(summary(last))} {_capital(_next(view))}"
    if last and last.run.outcome is Outcome.PARTIAL_FAILURE:
        return "Ready", f"{last.run.failed} uploads failed: {_next(view)}"
    return "Ready", ""


def _synced(view: View, situation: Situation, told: Told) -> tuple[ConditionStatus, str, str]:
    last, spec = view.last, view.observed.tenant.spec
    if situation in (Situation.BLOCKED, Situation.WAITING):
        return _FALSE, "Suspended", f"nothing runs: {told[1]}"
    if view.active or view.decision.start:
        return _UNKNOWN, "Running", _running(view)
    if last is None or last.run.outcome is None:
        return _without_run(view, situation)
    good = _TRUE if last.run.outcome is Outcome.SUCCEEDED else _FALSE
    text = f"{_sentence(summary(last))} {_capital(_next(view))}"
    if spec.suspend and not last.failed:
        return good, "Suspended", f"spec.suspend is set. {text}"
    return good, last.run.outcome.value, text


def _without_run(view: View, situation: Situation) -> tuple[ConditionStatus, str, str]:
    """Speak of a resource of which no run has ended, as far as anybody remembers."""
    observed, spec = view.observed, view.observed.tenant.spec
    completed = observed.header is not None and observed.header.first_sync_completed
    if completed and spec.mode is Mode.ONE_OFF:
        facts = observed.header.first_sync if observed.header else None
        when = f" on {moment(facts.time)}" if facts else ""
        text = f"the first sync was completed{when}, before this resource was made: there is nothing to do"
        return _TRUE, "Succeeded", text if not view.next_run else f"{text}. {_capital(_next(view))}"
    if spec.suspend:
        text = "spec.suspend is set; nothing has run yet: unset it, or ask for a run"
        return _FALSE, "Suspended", text
    if view.next_run and situation is Situation.READY:
        return _FALSE, "WaitingForSchedule", f"nothing has run yet: {_next(view)}"
    return _FALSE, "NeverRun", f"no run has ended yet: {_next(view)}"


def _running(view: View) -> str:
    job, progress = view.active, view.observed.progress
    if job is None:
        return "a run starts now"
    if progress is None:
        return f"Job {job.name} is under way"
    run = progress.run
    done, total = run.uploaded + run.failed, run.uploaded + run.failed + run.to_upload
    return f"Job {job.name} is under way: {done} of {total} uploads done ({numbers(run)})"


def _next(view: View) -> str:
    """Say what happens next, and whose turn it is."""
    last, decision, spec = view.last, view.decision, view.observed.tenant.spec
    job, again = view.active, decision.requeue_at
    ask = "ask for one with spec.runRequest"
    if decision.start:
        return "a run starts now"
    if job:
        return f"Job {job.name} is under way"
    if last and last.reason == BRAKE and last.failed:
        others = spec.safety.acknowledge
        wrong = f" (what is acknowledged now, {others}, is not its id)" if others else ""
        return f"waits for you: acknowledge the brake as said{wrong}{_and_schedule(view)}"
    if last and last.failed and last.needs_human:
        if spec.suspend:
            return f"waits for you: spec.suspend is set, so no run tries again by itself; {ask}"
        return f"waits for you: correct it, and a run starts at once{_and_schedule(view)}"
    times = [at for at in (again, view.next_run) if at and at > view.now]
    if times:
        word = "retries" if last and (last.failed or last.run.failed) else "the next run starts"
        return f"{word} at {moment(min(times))}"
    if last and last.run.failed:
        return f"no further run by itself: {ask}"
    return f"no run is scheduled: {ask}"


def _and_schedule(view: View) -> str:
    return f"; the schedule tries again at {moment(view.next_run)}" if view.next_run else ""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
