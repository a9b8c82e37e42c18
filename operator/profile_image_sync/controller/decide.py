"""What to do about one resource: from what is there to what must be. Pure; called at every change.

A run is remembered in status and in the state, never by a Job's existence: Jobs expire, are deleted,
and must not make a one-off run twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from profile_image_sync.api.allow import Allow
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.api.state import StateHeader, new_header
from profile_image_sync.api.status import Hold, Outcome
from profile_image_sync.controller.observed import Observed
from profile_image_sync.controller.outcome import Ending, Trouble
from profile_image_sync.errors import HostNotAllowed

FIRST_RETRY = timedelta(minutes=1)  # of a OneOff whose first sync is not complete
LONGEST_RETRY = timedelta(hours=1)
CREDENTIALS = frozenset({"BindRefused", "AuthorisationRefused"})  # retries of these lock accounts


@dataclass(frozen=True, slots=True)
class Start:
    """A Job to be made now, and the requests that it serves."""

    requests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What must be."""

    trouble: Trouble | None  # nothing may run
    state: StateHeader | None  # the state of the resource; None only in trouble
    new_state: bool  # it is to be made
    suspend: bool  # the schedule
    hold: Hold | None
    start: Start | None
    look_again: datetime | None  # when a run may be due although nothing changes


def decide(
    observed: Observed, last: Ending | None, allow: Allow, now: datetime, new_id: UUID
) -> Decision:
    """Return what must be. `new_id` is for a state, if one must be made."""
    state, trouble = _state(observed, new_id)
    trouble = _forbidden(observed, allow) or _strangers(observed) or trouble
    hold = _hold(observed, last)
    start, look_again = (None, None) if trouble else _start(observed, last, state, hold, now)
    refused = hold is not None and last is not None and last.reason in CREDENTIALS
    return Decision(
        trouble=trouble,
        state=state,
        new_state=observed.header is None and state is not None and trouble is None,
        suspend=observed.tenant.spec.suspend or refused or trouble is not None,
        hold=hold,
        start=start,
        look_again=look_again,
    )


def _state(observed: Observed, new_id: UUID) -> tuple[StateHeader | None, Trouble | None]:
    """Bind the resource to its state: made once, never again by repair (rule 9)."""
    known = observed.status.state.id if observed.status.state else None
    header, adopts = observed.header, observed.tenant.spec.first_sync is FirstSync.ADOPT
    way_out = (
        "restore its ConfigMaps from a backup, or set spec.firstSync: Adopt, which begins a new state and "
        "leaves people's own pictures alone"
    )
    if header is None and known and not adopts:
        return None, Trouble(
            "StateMissing", f"the state {known} of this resource is gone: {way_out}"
        )
    if header and known and str(header.id) != known and not adopts:
        message = f"this resource's state is {known}, but {header.id} is there: {way_out}"
        return header, Trouble("StateMismatch", message)
    return header or new_header(new_id), None


def _forbidden(observed: Observed, allow: Allow) -> Trouble | None:
    """Hold the hosts that the spec names against the installation's lists."""
    try:
        allow.check(observed.tenant.spec)
    except HostNotAllowed as error:
        return Trouble(error.reason, str(error))
    return None


def _strangers(observed: Observed) -> Trouble | None:
    if not observed.strangers:
        return None
    return Trouble(
        "NameConflict",
        f"{', '.join(observed.strangers)}: in the way and not ours, so not touched. Remove or rename it, or "
        "give this resource another name",
    )


def _hold(observed: Observed, last: Ending | None) -> Hold | None:
    """Hold back after a run that needs a person, until the spec or what it refers to changes."""
    if last is None or not last.needs_human:
        return None
    before, generation = observed.status.hold, observed.tenant.generation
    if before and before.run == last.run.id:
        same = (before.generation, before.references) == (generation, observed.references)
        return before if same else None
    told = observed.status.last_run
    if told and told.id == last.run.id:
        return None  # it was lifted before
    if last.run.generation not in (None, generation):
        return None  # the spec has changed since it started
    return Hold(run=last.run.id, generation=generation, references=observed.references)


def _start(
    observed: Observed,
    last: Ending | None,
    state: StateHeader | None,
    hold: Hold | None,
    now: datetime,
) -> tuple[Start | None, datetime | None]:
    """Return a run to start now, or when to look again."""
    if observed.active or state is None:
        return None, None
    if requests := pending_requests(observed):
        return Start(requests), None
    spec = observed.tenant.spec
    if spec.suspend or hold:
        return None, None
    due = _first_run_due(observed, last, state, now)
    if due is None:
        return None, None
    return (Start(()), None) if due <= now else (None, due)


def pending_requests(observed: Observed) -> tuple[str, ...]:
    """Return the requests that no run has served, in the order in which one serves them."""
    handled = set(observed.header.handled_requests) if observed.header else set()
    handled |= {request for job in observed.jobs if not job.busy for request in job.requests}
    if observed.status.last_handled_run_request:
        handled.add(observed.status.last_handled_run_request)
    wanted = dict.fromkeys((observed.tenant.spec.run_request, observed.annotation))
    return tuple(request for request in wanted if request and request not in handled)


def _first_run_due(
    observed: Observed, last: Ending | None, state: StateHeader, now: datetime
) -> datetime | None:
    """Return when the first run, or the next try of a OneOff, is due; None: never by itself."""
    spec = observed.tenant.spec
    if last is None:
        ran = any(not job.busy for job in observed.jobs)  # its report is on its way
        wanted = (
            spec.run_on_create if spec.mode is Mode.CONTINUOUS else not state.first_sync_completed
        )
        return now if wanted and not ran else None
    if last.run.outcome is Outcome.DRY_RUN:
        return now if not spec.dry_run and not state.first_sync_completed else None
    if spec.mode is Mode.CONTINUOUS or state.first_sync_completed or spec.dry_run:
        return None
    return (last.run.completion_time or now) + _retry(observed, last)


def _retry(observed: Observed, last: Ending) -> timedelta:
    """Return how long a OneOff waits for its next try: doubled by each that did not complete it."""
    before = sum(run.id != last.run.id for run in observed.status.history)
    wait: timedelta = FIRST_RETRY * 2**before
    return min(wait, LONGEST_RETRY)
