"""One resource and its children as last read. Data only: `observe` fills it, all decisions start from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from profile_image_sync.api.report import Report
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.api.status import (
    Outcome,
    ProfileImageSyncStatus,
    RequestSource,
    Run,
    Trigger,
)
from profile_image_sync.controller.bodies import Tenant
from profile_image_sync.controller.evidence import Evidence
from profile_image_sync.errors import EXIT_BUSY


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why no run may start at all, and what to do."""

    reason: str
    message: str
    transient: bool = False  # it ends by itself: nobody must act


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """A run request; without a source: of a Job that the first version made."""

    source: RequestSource | None
    value: str

    def includes(self, source: RequestSource, value: str) -> bool:
        """Tell whether a run that serves this one serves that one."""
        return self.value == value and self.source in (None, source)


@dataclass(frozen=True, slots=True)
class JobView:
    """One Job of the resource, from its schedule or made by the operator."""

    name: str
    uid: str
    created: datetime
    finished: datetime | None  # None: under way
    failed: bool
    reason: str  # of a failed Job: BackoffLimitExceeded, DeadlineExceeded, PodFailurePolicy
    requests: tuple[ServedRequest, ...]  # that it serves
    scheduled: bool  # by the CronJob, which takes it along when it goes
    trigger: Trigger
    generation: int | None  # of the spec in its template
    template: str  # digest of its pods' template; "": made by the first version
    references: str  # fingerprint of what its spec names; "": not made by the operator
    evidence: Evidence

    @property
    def busy(self) -> bool:
        """Tell whether it stepped back for another run: nothing was done, nothing is to be told."""
        told = self.evidence.report
        if told and told.run.outcome is Outcome.BUSY:
            return True
        return self.finished is not None and self.evidence.exit_code == EXIT_BUSY

    @property
    def never_ran(self) -> bool:
        """Tell whether it ended without a container that ran: its requests are still to be served."""
        return self.finished is not None and self.failed and not self.evidence.started

    def did(self, run: Run | None) -> bool:
        """Tell whether this is the run's Job. The first version knew a Job by its uid."""
        return run is not None and run.job in (self.name, self.uid)


@dataclass(frozen=True, slots=True)
class Reference:
    """A Secret or ConfigMap that the spec names. Its content is not known."""

    kind: str
    name: str
    version: str  # changes with its data, not with its labels and annotations; "": it is not there
    changed: datetime | None  # when its data last changed


@dataclass(frozen=True, slots=True)
class OtherState:
    """The state of another resource in the namespace, for the same HighQ."""

    resource: str
    id: str


@dataclass(frozen=True, slots=True)
class Observed:
    """One resource at one moment."""

    tenant: Tenant
    annotation: str  # the annotation that asks for a run, "" if there is none
    acknowledgement: str  # the annotation that acknowledges brakes, "" if there is none
    status: ProfileImageSyncStatus  # as written before
    header: StateHeader | None  # None: there is none, or it cannot be read
    unreadable: Blocker | None  # the header, if it is there all the same
    shards: int  # of a state, that are left without a header; 0 if there is one
    report: Report | None
    jobs: tuple[JobView, ...]
    references: tuple[Reference, ...]  # read only after a run that failed
    foreign: tuple[str, ...]  # objects of a child's name that are not ours, "Kind name"
    terminating: tuple[str, ...]  # children of a former resource of this name, being collected
    orphans: tuple[OtherState, ...]  # states whose resource is gone; read before a state is made

    @property
    def active(self) -> JobView | None:
        """Return the run under way, the oldest if the schedule started another beside it."""
        going = [job for job in self.jobs if job.finished is None]
        return min(going, key=lambda job: job.created, default=None)

    @property
    def progress(self) -> Report | None:
        """Return what the run under way has reported so far: it has got through planning."""
        report, active = self.report, self.active
        if report and active and active.did(report.run) and report.run.completion_time is None:
            return report
        return None
