"""How the newest run ended: by its report, by its Job when it left none, or as status remembers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from profile_image_sync.api.report import Report
from profile_image_sync.api.status import ConditionType, Outcome, Run
from profile_image_sync.controller.snapshot import JobView, Observed
from profile_image_sync.errors import EXIT_FINISHED, EXIT_PERMANENT

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    run: Run
    exit_code: int
    reason: str
    message: str
    report: Report | None

    @property
    def needs_human(self) -> bool:
        """Tell whether retrying cannot help."""
        return self.exit_code == EXIT_PERMANENT


def latest(observed: Observed) -> RunResult | None:
    """Return how the newest run ended; None when none has ended yet."""
    endings = [*_reported(observed), *_unreported(observed), *_remembered(observed)]
    return max(endings, key=lambda each: each.run.completion_time or _LONG_AGO, default=None)


def _reported(observed: Observed) -> Iterable[RunResult]:
    """Leave out the report of a Job that goes on: that try failed, the next one may end well."""
    report, active = observed.report, observed.active
    if report and not (active and active.uid == report.run.job):
        yield RunResult(report.run, report.exit_code, report.reason, report.message, report)


def _unreported(observed: Observed) -> Iterable[RunResult]:
    """Take a Job's word where neither the report nor status tells of it; a later run's report is over it."""
    status = observed.status
    told = {run.job for run in (status.last_run, *status.history) if run}
    if observed.report:
        told.add(observed.report.run.job)
    for job in observed.jobs:
        if job.finished and not job.busy and job.uid not in told:
            yield RunResult(_lost(job), job.exit_code, job.reason, _job_summary(job), None)


def _remembered(observed: Observed) -> Iterable[RunResult]:
    """Take status' word for a run whose report and Job are gone."""
    run, pause = observed.status.last_run, observed.status.pause
    if run:
        held = pause is not None and pause.run == run.id
        ready = next((c for c in observed.status.conditions if c.type is ConditionType.READY), None)
        failed = run.outcome is Outcome.FAILED
        reason, message = (ready.reason, ready.message) if failed and ready else ("", "")
        yield RunResult(run, EXIT_PERMANENT if held else EXIT_FINISHED, reason, message, None)


def _lost(job: JobView) -> Run:
    return Run(
        id=job.uid,
        request=job.requests[-1] if job.requests else None,
        start_time=job.created,
        completion_time=job.finished,
        outcome=Outcome.FAILED if job.failed else Outcome.SUCCEEDED,
        job=job.uid,
    )


def _job_summary(job: JobView) -> str:
    if not job.failed:
        return f"Job {job.name} succeeded; its report, and so its numbers, are lost"
    return f"Job {job.name} failed without a report ({job.message}): see the logs of its pods"
