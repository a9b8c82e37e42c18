"""What to do about one resource: from what is there to what must be. Pure; called at every change.

A run is remembered in status and in the state, never by a Job's existence: Jobs expire, are deleted,
and must not make a one-off run twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from profile_image_sync import names
from profile_image_sync.api.allow import Allow
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.api.state_header import StateHeader, new_header
from profile_image_sync.api.status import MOST_RUNS, Outcome, Pause
from profile_image_sync.controller.run_result import RunResult
from profile_image_sync.controller.snapshot import Blocker, Observed
from profile_image_sync.errors import HostNotAllowed

FIRST_RETRY = timedelta(minutes=1)  # of a run that was busy, or of a OneOff that is not complete
LONGEST_RETRY = timedelta(hours=1)
COLLECTED = timedelta(seconds=2)  # how often to look whether a former resource's children are gone
CREDENTIALS = frozenset({"BindRefused", "AuthorisationRefused"})  # retries of these lock accounts


@dataclass(frozen=True, slots=True)
class Start:
    """A Job to be made now, and the requests that it serves."""

    requests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What must be."""

    blocker: Blocker | None  # nothing may run
    state: StateHeader | None  # the state of the resource; None when blocked
    new_state: bool  # it is to be made
    suspend: bool  # the schedule
    pause: Pause | None
    start: Start | None
    requeue_at: datetime | None  # when a run may be due although nothing changes


def decide(
    observed: Observed, last: RunResult | None, allow: Allow, now: datetime, new_id: UUID
) -> Decision:
    """Return what must be. `new_id` is for a state, if one must be made."""
    pause = _pause(observed, last)
    if blocker := _blocker(observed, allow):
        again = now + COLLECTED if blocker.transient else None
        return Decision(
            blocker=blocker,
            state=None,
            new_state=False,
            suspend=True,
            pause=pause,
            start=None,
            requeue_at=again,
        )
    state = observed.header or new_header(new_id)
    start, requeue_at = _start(observed, last, state, pause, now)
    refused = pause is not None and last is not None and last.reason in CREDENTIALS
    return Decision(
        blocker=None,
        state=state,
        new_state=observed.header is None,
        suspend=observed.tenant.spec.suspend or refused,
        pause=pause,
        start=start,
        requeue_at=requeue_at,
    )


def _blocker(observed: Observed, allow: Allow) -> Blocker | None:
    """Return why nothing may run; what ends by itself comes first."""
    return (
        _terminating(observed)
        or _forbidden(observed, allow)
        or _name_conflict(observed)
        or observed.unreadable
        or _state_blocker(observed)
    )


def _terminating(observed: Observed) -> Blocker | None:
    if not observed.terminating:
        return None
    message = (
        f"{', '.join(observed.terminating)}: of a former resource of this name, about to be removed"
    )
    return Blocker("Replacing", message, transient=True)


def _forbidden(observed: Observed, allow: Allow) -> Blocker | None:
    """Compare the hosts that the spec names with the installation's lists."""
    try:
        allow.check(observed.tenant.spec)
    except HostNotAllowed as error:
        return Blocker(error.reason, str(error))
    return None


def _name_conflict(observed: Observed) -> Blocker | None:
    if not observed.foreign:
        return None
    return Blocker(
        "NameConflict",
        f"{', '.join(observed.foreign)}: in the way and not ours, so not touched. Remove or rename it, or "
        "give this resource another name",
    )


def _state_blocker(observed: Observed) -> Blocker | None:
    """Bind the resource to its state: made once, never again by repair (rule 9)."""
    known = observed.status.state.id if observed.status.state else None
    header, adopts = observed.header, observed.tenant.spec.first_sync is FirstSync.ADOPT
    name = names.state(observed.tenant.name)
    if header is None and observed.shards:
        return Blocker(
            "StateMissing",
            f"ConfigMap {name}, the state's header, is gone, but {observed.shards} of its shards are there: "
            f"restore it from a backup, or remove them (kubectl delete configmap -l {names.SYNC_LABEL}="
            f"{observed.tenant.name},{names.COMPONENT_LABEL}=state) and set spec.firstSync: Adopt, which "
            "begins a new state and leaves people's own pictures alone",
        )
    if adopts or known is None:
        return None
    if header is None:
        return Blocker(
            "StateMissing",
            f"the state {known} of this resource is gone: restore its ConfigMaps ({name} and {name}-*) from "
            "a backup, or set spec.firstSync: Adopt, which begins a new state and leaves people's own "
            "pictures alone",
        )
    if str(header.id) != known:
        return Blocker(
            "StateMismatch",
            f"this resource's state is {known}, but ConfigMap {name} holds {header.id}: restore its own "
            "from a backup, or set spec.firstSync: Adopt, which takes what is there",
        )
    return None


def _pause(observed: Observed, last: RunResult | None) -> Pause | None:
    """Pause after a run that needs a person, until the spec or what it refers to changes."""
    if last is None or not last.needs_human:
        return None
    before, generation = observed.status.pause, observed.tenant.generation
    if before and before.run == last.run.id:
        same = (before.generation, before.references) == (generation, observed.references)
        return before if same else None
    told = observed.status.last_run
    if told and told.id == last.run.id:
        return None  # it was lifted before
    if last.run.generation not in (None, generation):
        return None  # the spec has changed since it started
    return Pause(run=last.run.id, generation=generation, references=observed.references)


def _start(
    observed: Observed,
    last: RunResult | None,
    state: StateHeader,
    pause: Pause | None,
    now: datetime,
) -> tuple[Start | None, datetime | None]:
    """Return a run to start now, or when to look again."""
    if observed.active:
        return None, None
    requests, spec = pending_requests(observed), observed.tenant.spec
    due: datetime | None = now
    if not requests:
        due = None if spec.suspend or pause else _first_run_due(observed, last, state, now)
    if due is None:
        return None, None
    due = max([due, *_busy_until(observed)])
    return (Start(requests), None) if due <= now else (None, due)


def _busy_until(observed: Observed) -> list[datetime]:
    """Leave some time to whoever holds the Lease before a run that stepped back is tried again."""
    return [job.finished + FIRST_RETRY for job in observed.jobs if job.busy and job.finished]


def pending_requests(observed: Observed) -> tuple[str, ...]:
    """Return the requests that no run has served, in the order in which one serves them."""
    handled = set(observed.header.handled_requests) if observed.header else set()
    handled |= {request for job in observed.jobs if not job.busy for request in job.requests}
    handled |= {*observed.status.handled_run_requests}
    handled.add(observed.status.last_handled_run_request or "")
    return tuple(request for request in present_requests(observed) if request not in handled)


def present_requests(observed: Observed) -> tuple[str, ...]:
    """Return what asks for a run now, served or not."""
    wanted = dict.fromkeys((observed.tenant.spec.run_request, observed.annotation))
    return tuple(request for request in wanted if request)


def _first_run_due(
    observed: Observed, last: RunResult | None, state: StateHeader, now: datetime
) -> datetime | None:
    """Return when the first run, or the next try of a OneOff, is due; None: never by itself."""
    spec = observed.tenant.spec
    one_off = spec.mode is Mode.ONE_OFF
    if last is None:
        return now if (not state.first_sync_completed if one_off else spec.run_on_create) else None
    if state.first_sync_completed or spec.dry_run:
        return None
    if last.run.outcome is Outcome.DRY_RUN:
        return now if one_off or spec.run_on_create else None
    return (last.run.completion_time or now) + _retry(observed, last) if one_off else None


def _retry(observed: Observed, last: RunResult) -> timedelta:
    """Return how long a OneOff waits for its next try: twice as long after each, up to an hour.

    Status remembers a few runs only. When all of them are tries, the last wait tells how far it got.
    """
    before = [run for run in observed.status.history if run.id != last.run.id][: MOST_RUNS - 1]
    tries = [run for run in before if run.outcome is not Outcome.DRY_RUN]
    wait: timedelta = FIRST_RETRY * 2 ** len(tries)
    if len(tries) == MOST_RUNS - 1 and last.run.start_time and tries[0].completion_time:
        wait = max(wait, 2 * (last.run.start_time - tries[0].completion_time))
    return min(wait, LONGEST_RETRY)
