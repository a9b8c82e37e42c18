"""Run requests as a state machine: Pending, Running, Done, for spec and annotation each. Pure.

A request is done when a run that served it has ended, and not before: a Job that stepped back for another
run, was deleted, or never started has served nothing, whatever became of it meanwhile.
"""

from __future__ import annotations

from profile_image_sync.api.status import MOST_RUNS, RequestPhase, RequestSource, RunRequest
from profile_image_sync.controller.snapshot import JobView, Observed


def run_requests(observed: Observed) -> tuple[RunRequest, ...]:
    """Return how far the newest request of each source is."""
    asked = {
        RequestSource.SPEC: observed.tenant.spec.run_request,
        RequestSource.ANNOTATION: observed.annotation,
    }
    found = (_advance(observed, source, value) for source, value in asked.items())
    return tuple(request for request in found if request)


def pending(requests: tuple[RunRequest, ...]) -> tuple[RunRequest, ...]:
    """Return those that a run that starts now serves."""
    return tuple(each for each in requests if each.phase is RequestPhase.PENDING)


def _advance(observed: Observed, source: RequestSource, value: str) -> RunRequest | None:
    before = next((r for r in observed.status.run_requests if r.source is source), None)
    if (
        not value
    ):  # withdrawn; what was served stays known, so that the same value asks for no other run
        return before if before and before.phase is RequestPhase.DONE else None
    if before and before.value == value:
        if before.phase is RequestPhase.DONE:
            return before
    elif not observed.status.run_requests and _known_elsewhere(observed, value):
        return RunRequest(source=source, value=value, phase=RequestPhase.DONE)
    tried = before.job if before and before.value == value else None
    job = _newest_job(observed, source, value)
    phase, by = _phase(observed, job, tried, value)
    return RunRequest(source=source, value=value, phase=phase, job=by)


def _phase(
    observed: Observed, job: JobView | None, tried: str | None, value: str
) -> tuple[RequestPhase, str | None]:
    """Judge the newest Job that serves it, or the one that status remembers and that is gone."""
    if job is None:
        done = tried and _has_ended(observed, tried, value)
        return (RequestPhase.DONE if done else RequestPhase.PENDING), tried
    if job.finished is None:
        return RequestPhase.RUNNING, job.name
    return (RequestPhase.DONE if _served(job) else RequestPhase.PENDING), job.name


def _newest_job(observed: Observed, source: RequestSource, value: str) -> JobView | None:
    """Jobs tell themselves what they serve, so nothing is lost when status could not be written.

    One that served the same value before another one was asked for has nothing to do with this request.
    """
    serving = [
        job
        for job in observed.jobs
        if any(each.includes(source, value) for each in job.requests)
        and not (_served(job) and _is_told(observed, job))
    ]
    return max(serving, key=lambda job: job.created, default=None)


def _served(job: JobView) -> bool:
    return job.finished is not None and not (job.busy or job.never_ran)


def _is_told(observed: Observed, job: JobView) -> bool:
    """Tell whether status knows how it ended, and so what was done with it."""
    status = observed.status
    oldest = status.history[-1].completion_time if len(status.history) == MOST_RUNS else None
    before = job.finished and oldest and job.finished < oldest
    return bool(before) or any(job.did(run) for run in (status.last_run, *status.history))


def _has_ended(observed: Observed, job: str, value: str) -> bool:
    """Tell whether the run of a Job that is gone has ended: report, history or state say so."""
    status, report, header = observed.status, observed.report, observed.header
    reported = report.run if report and report.run.completion_time else None
    ended = [run for run in (status.last_run, *status.history, reported) if run and run.start_time]
    return any(run.job == job for run in ended) or bool(header and value in header.handled_requests)


def _known_elsewhere(observed: Observed, value: str) -> bool:
    """Look where a re-created resource, or one of the first version, remembers what was served."""
    status, header = observed.status, observed.header
    known = {*status.handled_run_requests, status.last_handled_run_request or ""}
    return value in known or bool(header and value in header.handled_requests)
