"""How the latest run ended: by its report, by its pods where that is lost, or as status remembers.

Pure. Apart, because each of the three can be missing: the next run overwrites the report, Jobs expire, and
status is gone with a resource that is made anew.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from profile_image_sync import names
from profile_image_sync.api.report import Report
from profile_image_sync.api.status import ConditionStatus, ConditionType, Outcome, Run, Trigger
from profile_image_sync.controller.evidence import REASONS_FOR_PEOPLE
from profile_image_sync.controller.snapshot import JobView, Observed
from profile_image_sync.errors import EXIT_FINISHED, EXIT_PERMANENT, EXIT_TRANSIENT, PermanentError

LONG_AGO = datetime.min.replace(tzinfo=UTC)
BRAKE = "BrakeTripped"
DEADLINE = "DeadlineReached"
POD_FAILURE_POLICY = "PodFailurePolicy"  # of a Job: its pod ended with a code that is final


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    run: Run
    exit_code: int
    reason: str
    message: str
    report: Report | None

    @property
    def failed(self) -> bool:
        """Tell whether the run as a whole failed, not some of its uploads."""
        return self.run.outcome is Outcome.FAILED

    @property
    def needs_human(self) -> bool:
        """Tell whether retrying cannot help."""
        return self.exit_code == EXIT_PERMANENT


def latest(observed: Observed) -> RunResult | None:
    """Return how the latest run ended; None: none has ended yet. Keep-alive runs do not count.

    What status does not know yet is later than what it knows: the clocks of nodes and controllers differ.
    """
    known = [*_reported(observed), *_remembered(observed)]
    return next(iter([*new_results(observed), *known]), None)


def new_results(observed: Observed) -> list[RunResult]:
    """Return how the runs ended that status does not tell of yet, the latest first."""
    known = observed.status.last_run
    found = [*_reported(observed), *_unreported(observed)]
    new = [each for each in found if known is None or each.run.id != known.id]
    return sorted(new, key=lambda each: _made(observed, each.run), reverse=True)


def _made(observed: Observed, run: Run) -> datetime:
    """Return when its Job was made, by the API server's clock; without a Job, what the run itself says."""
    job = next((job for job in observed.jobs if job.did(run)), None)
    return job.created if job else run.completion_time or LONG_AGO


def _reported(observed: Observed) -> Iterable[RunResult]:
    """Leave out the report of a Job that goes on: that try failed, the next one may end well."""
    report, active = observed.report, observed.active
    last = observed.status.last_run
    former = {run.id for run in observed.status.history} - {last.id if last else ""}
    going = report and active and active.did(report.run)
    if report and not going and _counts(report.run) and report.run.id not in former:
        yield _result(report.run, report)


def _unreported(observed: Observed) -> Iterable[RunResult]:
    """Take the pods' word where neither the report nor status tells how a Job's run ended.

    A report without an end is what a run wrote before it was killed, or lost the right to write.
    """
    status, report = observed.status, observed.report
    ended = report.run if report and report.run.completion_time else None
    told = [status.last_run, *status.history, ended]
    for job in observed.jobs:
        if not job.finished or job.busy or any(job.did(run) for run in told):
            continue
        left = job.evidence.report
        if left is None:
            yield _lost(job, observed.tenant.name)
            continue
        at = left.run.completion_time or job.finished  # without one: it ended before it began
        run = left.run.model_copy(update={"job": job.name, "completion_time": at})
        if _counts(run):
            yield _result(run, left)


def _counts(run: Run) -> bool:
    ended = run.completion_time is not None and run.outcome is not Outcome.BUSY
    return ended and run.trigger is not Trigger.KEEP_ALIVE


def _result(run: Run, report: Report) -> RunResult:
    return RunResult(run, report.exit_code, report.reason, report.message, report)


def _remembered(observed: Observed) -> Iterable[RunResult]:
    """Take status' word for a run whose report and Job are gone."""
    run, pause = observed.status.last_run, observed.status.pause
    if run:
        by_type = {each.type: each for each in observed.status.conditions}
        ready, stalled = by_type.get(ConditionType.READY), by_type.get(ConditionType.STALLED)
        failed = run.outcome is Outcome.FAILED
        reason, message = run.reason or "", run.message or ""
        if failed and not reason and ready:  # the first version kept it there only
            reason, message = ready.reason, ready.message
        stands = stalled and stalled.status is ConditionStatus.TRUE and stalled.reason == reason
        paused = pause is not None and pause.run == run.id
        human = stands or paused or reason in _reasons_for_people()
        code = EXIT_FINISHED if not failed else EXIT_PERMANENT if human else EXIT_TRANSIENT
        yield RunResult(run, code, reason, message, None)


@functools.cache
def _reasons_for_people() -> frozenset[str]:
    """Return the words of what retrying cannot help: of errors, pods and Jobs."""
    found, waiting = {PermanentError}, [PermanentError]
    while waiting:
        known = waiting.pop().__subclasses__()
        found |= {*known}
        waiting += known
    return REASONS_FOR_PEOPLE | {POD_FAILURE_POLICY, *(each.__name__ for each in found)}


def _lost(job: JobView, resource: str) -> RunResult:
    """Make a result from a Job whose run left no word."""
    run = Run(
        id=names.run_id(resource, job.name),
        trigger=job.trigger,
        request=job.requests[-1].value if job.requests else None,
        generation=job.generation,
        start_time=None if job.never_ran else job.created,
        completion_time=job.finished,
        outcome=Outcome.FAILED if job.failed else Outcome.SUCCEEDED,
        job=job.name,
    )
    problem = job.evidence.problem
    if not job.failed:
        text = f"Job {job.name} succeeded; its report, and so its numbers, are lost"
        return RunResult(run, EXIT_FINISHED, "", text, None)
    code = job.evidence.exit_code
    if problem and (problem.human or not job.evidence.started):
        code = EXIT_PERMANENT if problem.human else EXIT_TRANSIENT
        return RunResult(run, code, problem.reason, f"Job {job.name}: {problem.message}", None)
    final = EXIT_PERMANENT if code == EXIT_PERMANENT else EXIT_TRANSIENT
    return RunResult(run, final, job.reason, _explain(job), None)


def _explain(job: JobView) -> str:
    """Say what is known of a Job that failed without a word from its run."""
    if job.reason == "DeadlineExceeded" and not job.evidence.started:
        return (
            f"Job {job.name}: no pod of it could start before its deadline: see `kubectl describe job "
            f"{job.name}`; a quota, an admission policy or a missing ServiceAccount keeps pods away"
        )
    if job.reason == "DeadlineExceeded":
        return (
            f"Job {job.name} was ended by its deadline (spec.job.activeDeadlineSeconds) before its run could "
            "report; what HighQ accepted is recorded"
        )
    code, problem = job.evidence.exit_code, job.evidence.problem
    why = problem.message if problem else f"exit code {code}" if code is not None else job.reason
    return f"Job {job.name} failed without a report ({why}): see `kubectl logs job/{job.name}`"
