"""What is there: one resource and its children as last read. Data only; `observe` fills it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from profile_image_sync.api.report import Report
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.api.status import ProfileImageSyncStatus
from profile_image_sync.controller.bodies import Tenant
from profile_image_sync.errors import (
    EXIT_BUSY,
    EXIT_FINISHED,
    EXIT_PERMANENT,
    EXIT_TRANSIENT,
)


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why no run may start at all, and what to do."""

    reason: str
    message: str
    transient: bool = False  # it ends by itself: nobody must act


@dataclass(frozen=True, slots=True)
class JobView:
    """One Job of the resource, from its schedule or from a request."""

    name: str
    uid: str
    created: datetime
    finished: datetime | None  # None: under way
    failed: bool
    reason: str  # of a failed Job: BackoffLimitExceeded, DeadlineExceeded, PodFailurePolicy
    message: str  # of a failed Job, as Kubernetes words it: it names the pod's exit code
    requests: tuple[str, ...]  # that it serves
    scheduled: bool  # by the CronJob, which takes it along when it goes

    @property
    def exit_code(self) -> int:
        """Return the worker's, as far as a finished Job tells."""
        if not self.failed:
            return EXIT_FINISHED
        for code in (EXIT_BUSY, EXIT_PERMANENT):
            if f"exit code {code} " in f"{self.message} ":
                return code
        return EXIT_TRANSIENT

    @property
    def busy(self) -> bool:
        """Tell whether it stepped back for another run: nothing was done, nothing is to be told."""
        return self.exit_code == EXIT_BUSY


@dataclass(frozen=True, slots=True)
class Observed:
    """One resource at one moment."""

    tenant: Tenant
    annotation: str  # the annotation that asks for a run, "" if there is none
    status: ProfileImageSyncStatus  # as written before
    header: StateHeader | None  # None: there is none, or it cannot be read
    unreadable: Blocker | None  # the header, if it is there all the same
    shards: int  # of a state, that are left without a header; 0 if there is one
    report: Report | None
    jobs: tuple[JobView, ...]
    references: str  # fingerprint of the versions of the Secrets and ConfigMaps the spec names
    foreign: tuple[str, ...]  # objects of a child's name that are not ours, "Kind name"
    terminating: tuple[str, ...]  # children of a former resource of this name, being collected

    @property
    def active(self) -> JobView | None:
        """Return a run under way."""
        return next((job for job in self.jobs if job.finished is None), None)
