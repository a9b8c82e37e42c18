"""When a run starts, and what keeps it from starting. Pure; called at every change.

A run is remembered in status and in the state, never by a Job's existence: Jobs expire, are deleted,
and must not make a one-off run twice.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from profile_image_sync.api import schedule
from profile_image_sync.api.spec import Mode
from profile_image_sync.api.state_header import StateHeader, new_header
from profile_image_sync.api.status import Outcome, Pause, Retry, RunRequest, Trigger
from profile_image_sync.controller.blockers import acknowledged_loss, blocker
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.manifests import template_digest
from profile_image_sync.controller.pauses import acknowledged, changed_since, pause
from profile_image_sync.controller.run_requests import pending, run_requests
from profile_image_sync.controller.run_result import BRAKE, DEADLINE, RunResult
from profile_image_sync.controller.snapshot import Blocker, JobView, Observed

FIRST_RETRY = timedelta(minutes=1)  # of a run that was busy, or of a OneOff that is not complete
LONGEST_RETRY = timedelta(hours=1)
RETRIED_FOR = timedelta(days=1)  # uploads that fail for so long are told, not tried again
RENEWED_BEFORE = timedelta(days=3)  # the end of HighQ's token, or a quarter of its life
COLLECTED = timedelta(seconds=2)  # how often to look whether a former resource's children are gone
POLL = timedelta(seconds=20)  # how often to ask for what is not watched, while something is wrong
POD_WITHIN = timedelta(seconds=30)  # a Job without a pod for longer cannot have one
CREDENTIALS = frozenset(
    {"BindRefused", "AuthorisationRefused", "AuthorisationExpired", "ProxyRefused"}
)  # retries of these lock accounts


@dataclass(frozen=True, slots=True)
class Start:
    """A Job to be made now."""

    trigger: Trigger
    requests: tuple[RunRequest, ...]  # that it serves
    run_id: str
    references: str = ""  # fingerprint of what the spec names, asked for before the Job is made


@dataclass(frozen=True, slots=True)
class Decision:
    """What must be."""

    blocker: Blocker | None  # nothing may run
    state: StateHeader | None  # the state of the resource; None when blocked
    new_state: bool  # it is to be made
    suspend: bool  # the schedule
    pause: Pause | None
    requests: tuple[RunRequest, ...]
    retry: Retry | None
    replaced: JobView | None  # a Job whose pod cannot start, to be removed
    start: Start | None
    requeue_at: datetime | None  # when something may be due although nothing changes


def decide(
    observed: Observed,
    last: RunResult | None,
    settings: OperatorSettings,
    now: datetime,
    new_id: UUID,
) -> Decision:
    """Return what must be. `new_id` is for a state, if one must be made."""
    paused, requests = pause(observed, last), run_requests(observed)
    if blocked := blocker(observed, settings.allow):
        return Decision(
            blocker=blocked,
            state=None,
            new_state=False,
            suspend=True,
            pause=paused,
            requests=requests,
            retry=observed.status.retry,
            replaced=None,
            start=None,
            requeue_at=now + (COLLECTED if blocked.transient else POLL),
        )
    state = observed.header or new_header(new_id, replaces=acknowledged_loss(observed))
    replaced = _replaced(observed, state, settings, now)
    due = _DueRun(observed, last, state, requests, now)
    start, later = (None, None) if observed.active and not replaced else due.start(replaced)
    polls = [at for at in (later, *_polls(observed, last, now)) if at]
    locks_accounts = paused is not None and last is not None and last.reason in CREDENTIALS
    return Decision(
        blocker=None,
        state=state,
        new_state=observed.header is None,
        suspend=observed.tenant.spec.suspend or locks_accounts,
        pause=paused,
        requests=requests,
        retry=due.retry,
        replaced=replaced,
        start=start,
        requeue_at=min(polls, default=None),
    )


def _replaced(
    observed: Observed, state: StateHeader, settings: OperatorSettings, now: datetime
) -> JobView | None:
    """Return a Job whose pod cannot start, if its template is not what it would be today."""
    job = observed.active
    if job is None or job.evidence.started or not job.template:
        return None
    if not job.evidence.problem and (job.evidence.pods or now - job.created < POD_WITHIN):
        return None
    wanted = template_digest(observed.tenant, str(state.id), settings)
    return job if job.template != wanted else None


def _polls(observed: Observed, last: RunResult | None, now: datetime) -> list[datetime]:
    """Return when to look at what no watch tells: mended Secrets, pods that do not come."""
    job, due = observed.active, []
    if job and not job.evidence.pods and now - job.created < POD_WITHIN:
        due.append(job.created + POD_WITHIN)
    if last and last.needs_human and not job:
        due.append(now + POLL)
    return due


@dataclass(frozen=True, slots=True)
class _DueRun:
    """Which run is due, and when."""

    observed: Observed
    last: RunResult | None
    state: StateHeader
    requests: tuple[RunRequest, ...]
    now: datetime

    def start(self, replaced: JobView | None) -> tuple[Start | None, datetime | None]:
        """Return a run to start now, or when one is due."""
        wanted = pending(self.requests)
        trigger, at = self._due(wanted)
        renewal = self._renewal_due()
        if renewal and (at is None or at > max(self.now, renewal)):
            trigger, at, wanted = Trigger.KEEP_ALIVE, max(self.now, renewal), ()
        if at is None and replaced:
            trigger, at = Trigger.RETRY, self.now
        if at is None:
            return None, None
        at = max([at, *self._not_before()])
        if at > self.now:
            return None, at
        return Start(trigger, wanted, self._run_id(trigger, wanted)), None

    def _due(self, wanted: tuple[RunRequest, ...]) -> tuple[Trigger, datetime | None]:
        spec, last = self.observed.tenant.spec, self.last
        if wanted:
            return Trigger.REQUEST, self.now
        if last and last.reason == BRAKE and acknowledged(self.observed):
            return Trigger.RETRY, self.now
        if spec.suspend:
            return Trigger.FIRST_RUN, None
        if last is None:
            return Trigger.FIRST_RUN, self.now if self._first_run_is_due() else None
        if last.failed and changed_since(self.observed, last):
            return Trigger.RETRY, self.now
        if last.reason == DEADLINE and last.run.uploaded and not spec.dry_run:
            return Trigger.RETRY, self.now
        if last.run.outcome is Outcome.DRY_RUN and not spec.dry_run:
            return Trigger.FIRST_RUN, self.now if self._first_run_is_due() else None
        return Trigger.RETRY, self._retry_at(last)

    def _first_run_is_due(self) -> bool:
        """Tell whether a resource that is new, or was made anew over a retained state, begins with a run."""
        spec, completed = self.observed.tenant.spec, self.state.first_sync_completed
        if spec.mode is Mode.ONE_OFF:
            return not completed
        return spec.run_on_create and not (completed and self.last)

    def _retry_at(self, last: RunResult) -> datetime | None:
        """Return when uploads that failed, or a first run that failed, are tried again."""
        retry, spec = self.retry, self.observed.tenant.spec
        if retry is None or spec.dry_run or last.needs_human:
            return None
        ended = min(last.run.completion_time or self.now, self.now)  # a node's clock may be ahead
        if ended - retry.since >= RETRIED_FOR:
            return None
        wait: timedelta = FIRST_RETRY * 2 ** min(max(retry.tries - 1, 0), 10)
        return ended + min(wait, LONGEST_RETRY)

    def _renewal_due(self) -> datetime | None:
        """Return when HighQ's token must be renewed, because no run comes before it expires.

        Suspended or not: a token that has expired needs an administrator. Refused credentials do not improve.
        """
        observed, last = self.observed, self.last
        expiry, spec = observed.status.highq_token_expiry, observed.tenant.spec
        refused = last is not None and last.failed and last.reason in CREDENTIALS
        if expiry is None or expiry <= self.now or refused:
            return None
        if spec.schedule and not spec.suspend:
            at = (self.now, observed.tenant.identity)
            if schedule.next_run(spec.schedule, spec.time_zone, *at) < expiry:
                return None
        report, known = observed.report, observed.status.last_run
        ended = [run.completion_time for run in (report and report.run, known) if run]
        since = max((each for each in ended if each), default=self.now)
        return expiry - min(RENEWED_BEFORE, max(expiry - since, timedelta()) / 4)

    @property
    def retry(self) -> Retry | None:
        """Return the tries until now, if the last run was one that is repeated by itself."""
        last, before = self.last, self.observed.status.retry
        if last is None or last.run.outcome is Outcome.DRY_RUN:
            return before
        one_off = self.observed.tenant.spec.mode is Mode.ONE_OFF
        incomplete = not self.state.first_sync_completed
        if not ((one_off and (incomplete or last.run.failed)) or (incomplete and last.failed)):
            return None
        told = self.observed.status.last_run
        if before and told and told.id == last.run.id:
            return before
        since = before.since if before else last.run.completion_time or self.now
        return Retry(since=since, tries=before.tries + 1 if before else 1)

    def _not_before(self) -> list[datetime]:
        """Leave some time after a Job that served nothing: another run holds the Lease, or no pod came."""
        idle = (job for job in self.observed.jobs if job.busy or job.never_ran)
        return [job.finished + FIRST_RETRY for job in idle if job.finished]

    def _run_id(self, trigger: Trigger, wanted: tuple[RunRequest, ...]) -> str:
        """Return the same id for the same decision: a repeated create makes no second Job."""
        newest = max(self.observed.jobs, key=lambda job: job.created, default=None)
        tenant, tried = self.observed.tenant, [request.job for request in self.requests]
        after = (self.last.run.id if self.last else "", newest.name if newest else "", *tried)
        asked = [(request.source, request.value) for request in wanted]
        basis = json.dumps([tenant.uid, tenant.generation, trigger, asked, after])
        return hashlib.sha256(basis.encode()).hexdigest()[:8]
