"""How far a run request by the annotation is, and how its run ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from profile_image_sync import names
from profile_image_sync.api.status import (
    ConditionStatus,
    ConditionType,
    Outcome,
    RequestPhase,
    RequestSource,
    Run,
)
from profile_image_sync.cluster.overview import PENDING, Need, need
from profile_image_sync.cluster.resources import SyncResource
from profile_image_sync.errors import EXIT_FINISHED, EXIT_PERMANENT, EXIT_TRANSIENT


@dataclass(frozen=True, slots=True)
class FollowedRequest:
    """How far a run request is; `done`: nothing more is to be waited for."""

    done: bool
    progress: str  # for people
    run: Run | None = None  # that answered it
    need: Need | None = None  # what keeps it from being answered, or what the run left to a person

    @property
    def exit_code(self) -> int:
        """The exit code that the run's worker would have."""
        failed = self.run is None or self.run.outcome is Outcome.FAILED
        if not failed:
            return EXIT_FINISHED
        return EXIT_PERMANENT if self.need else EXIT_TRANSIENT


def follow(resource: SyncResource, value: str, now: datetime) -> FollowedRequest:
    """Judge how far a request by the annotation is. A newer one by someone else stands for it. Pure."""
    value = resource.annotations.get(names.RUN_REQUEST_ANNOTATION, value)
    status, waits = resource.status, need(resource, now)
    request = next((r for r in status.run_requests if r.source is RequestSource.ANNOTATION), None)
    if request is None or request.value != value:
        unserved = waits is not None and waits.reason == PENDING
        return FollowedRequest(done=unserved, progress="waiting for the operator", need=waits)
    if request.phase is RequestPhase.DONE:
        runs = [run for run in (status.last_run, *status.history) if run]
        run = next((run for run in runs if run.job == request.job), None)
        return FollowedRequest(True, _ended(run), run, waits)
    synced = resource.condition(ConditionType.SYNCED)
    going = synced is not None and synced.status is ConditionStatus.UNKNOWN
    text = synced.message if synced and going else "waiting for a run to start"
    stuck = waits is not None and (request.phase is RequestPhase.RUNNING or not going)
    return FollowedRequest(done=stuck, progress=text, need=waits)


def _ended(run: Run | None) -> str:
    if run is None:
        return "a run has answered the request; its result is not known any more"
    text = f"{run.outcome}: {run.uploaded} uploaded, {run.failed} failed of {run.people} people"
    return f"{text}. {run.message}" if run.message else text
