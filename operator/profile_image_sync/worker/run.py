"""One run, left to right: read and hash everyone, plan it all, then upload what must go up.

The same code runs in a pod and from the command line; what differs (where state, tokens and secrets
are kept, who watches the progress) comes in as a RunContext.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from profile_image_sync.api.report import LISTED, PeopleLists, Report
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.spec import FirstSync
from profile_image_sync.api.state_header import MAX_SWEEPS, StateHeader, Sweep
from profile_image_sync.api.status import Brake, Outcome, Run, State, Trigger
from profile_image_sync.errors import (
    EXIT_FINISHED,
    BrakeTripped,
    Busy,
    Interrupted,
    SyncError,
)
from profile_image_sync.worker import brakes
from profile_image_sync.worker.connections import open_directory, open_highq, token_expiry
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.ledger import Ledger
from profile_image_sync.worker.matching import match_people
from profile_image_sync.worker.people import Domain, Person
from profile_image_sync.worker.plan import (
    PersonPlan,
    Policy,
    Verdict,
    plan_person,
    resolve_account,
    settings_fingerprint,
)
from profile_image_sync.worker.references import References
from profile_image_sync.worker.state_store import StateStore
from profile_image_sync.worker.token_store import TokenStore
from profile_image_sync.worker.uploader import Progress, Uploader

PUBLISH_SECONDS = 30.0  # between two interim reports

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where to run: the things that differ between a pod and a terminal."""

    run_id: str
    job: str  # name of the Job; "": no Job
    store: StateStore
    tokens: TokenStore
    references: References
    now: Callable[[], datetime]  # UTC, aware
    clock: Callable[[], float]  # monotonic, seconds
    new_id: Callable[[], str]  # for brakes: short and random
    stop: threading.Event  # set by SIGTERM
    progress: Progress
    publish: Callable[[Report], None] = lambda _: None  # gets interim reports
    started: datetime | None = None  # by an earlier pod of the same Job
    deadline: float = math.inf  # on `clock`: the run had better end by itself before
    on_first_refresh: Callable[[], None] = lambda: None  # before a seed's refresh token is spent
    open_directory: Callable[..., Directory] = open_directory
    max_listed: int = LISTED  # people of each kind


@dataclass(frozen=True, slots=True)
class RunOutput:
    """What a run leaves to be stored and shown."""

    report: Report
    people: PeopleLists


def execute(run_spec: RunSpec, context: RunContext) -> RunOutput:
    """Do the run. Never raises SyncError: the report says how it ended."""
    execution = _Execution(run_spec, context)
    log.info(
        "run started",
        run=context.run_id,
        mode=run_spec.spec.mode.value,
        dry_run=run_spec.spec.dry_run,
    )
    try:
        (execution.keep_alive if run_spec.trigger is Trigger.KEEP_ALIVE else execution.sync)()
    except SyncError as error:
        return execution.output(error)
    return execution.output(None)


def failed_before_start(run_spec: RunSpec, context: RunContext, error: SyncError) -> RunOutput:
    """Return what is left of a run that this error kept from starting."""
    return _Execution(run_spec, context).output(error)


class _Execution:
    """The run under way, with what it has learnt so far."""

    def __init__(self, run_spec: RunSpec, context: RunContext) -> None:
        self._run_spec = run_spec
        self._context = context
        self._counters = RunCounters(context.max_listed)
        self._ledger: Ledger | None = None
        self._brake: Brake | None = None
        self._notes: list[str] = []
        self._with_image = 0
        self._started = context.started or context.now()
        self._planned_uploads = 0
        self._published_at = -math.inf

    def sync(self) -> None:
        """Read, plan, judge the numbers, upload, record what the next run needs."""
        spec, context = self._run_spec.spec, self._context
        ledger = self._ledger = Ledger.open(context.store, expected_id=self._run_spec.state_id)
        ledger.load()
        with context.open_directory(spec, context.references) as directory:
            self._bind(ledger, directory.domain)
            people = list(self._unless_stopped(directory.people()))
            sweep = self._count_sweep(people, ledger.header)
            policy = self._policy(ledger.header)
            plans = [plan_person(person, ledger.get(person.guid), policy) for person in people]
            self._add_rerecord_note(plans, ledger.header)
            with self._open_highq() as highq:
                plans = self._resolved(plans, people, ledger, highq)
                self._check_brakes(sweep, plans, ledger)
                self._planned_uploads = sum(plan.verdict.uploads for plan in plans)
                self._publish_if_due()
                if not spec.dry_run:
                    ledger.reserve(len(people))
                Uploader(
                    directory=directory,
                    highq=highq,
                    ledger=ledger,
                    counters=self._counters,
                    policy=policy,
                    settings=spec.image,
                    dry_run=spec.dry_run,
                    stop=context.stop,
                    clock=context.clock,
                    progress=self._progress,
                ).upload_all(plans)
        self._finish(ledger, sweep)

    def keep_alive(self) -> None:
        """Renew HighQ's authorisation and do nothing else: no directory, no state."""
        with self._open_highq() as highq:
            highq.renew_authorisation()

    def _open_highq(self) -> HighQClient:
        spec, context = self._run_spec.spec, self._context
        announce = context.on_first_refresh
        return open_highq(
            spec, context.references, context.tokens, context.stop, on_first_refresh=announce
        )

    def _bind(self, ledger: Ledger, domain: Domain) -> None:
        """Bind a new state to this domain and this HighQ; refuse one that belongs to others (rule 9)."""
        header = ledger.header
        bound = header.bound_to_domain(domain.guid).bound_to_highq(
            self._run_spec.spec.highq.address
        )
        if bound != header:
            self._commit(ledger, bound)

    def _unless_stopped(self, people: Iterable[Person]) -> Iterator[Person]:
        for person in people:
            if self._context.stop.is_set():
                raise Interrupted("asked to stop while reading the directory: nothing was uploaded")
            yield person

    def _count_sweep(self, people: Sequence[Person], header: StateHeader) -> Sweep:
        attributes = self._run_spec.spec.active_directory.image_attributes
        sweep = brakes.sweep_of(people, attributes)
        self._counters.people = sweep.people
        self._with_image = sweep.with_image
        log.info("directory read", people=sweep.people, with_image=sweep.with_image)
        brakes.require_people(sweep, first_sync=not header.first_sync_completed)
        return sweep

    def _policy(self, header: StateHeader) -> Policy:
        spec = self._run_spec.spec
        attributes = tuple(spec.active_directory.image_attributes)
        return Policy(
            mode=spec.mode,
            adopting=spec.first_sync is not FirstSync.OVERRIDE and not header.first_sync_completed,
            image_attributes=attributes,
            rerecord=self._rerecords(header.image_attributes, attributes),
            attributes_version=header.image_attributes_version,
            image_settings=settings_fingerprint(spec.image),
            upload_settings=settings_fingerprint(spec.image, spec.highq.endpoint),
        )

    def _rerecords(self, before: tuple[str, ...] | None, now: tuple[str, ...]) -> bool:
        """Tell whether a changed list of attributes moves hashes without an upload."""
        if before is None or before == now:
            return False
        return self._run_spec.spec.safety.acknowledge != brakes.attributes_change(before, now)

    def _add_rerecord_note(self, plans: Sequence[PersonPlan], header: StateHeader) -> None:
        count = sum(plan.verdict is Verdict.RERECORD for plan in plans)
        if count and header.image_attributes:
            now = self._run_spec.spec.active_directory.image_attributes
            change = brakes.attributes_change(header.image_attributes, now)
            self._notes.append(
                f"imageAttributes changed: {count} images that come from another attribute now are recorded "
                f'as they are; a run with safety.acknowledge: "{change}" uploads them instead (see dryRun)'
            )

    def _resolved(
        self,
        plans: list[PersonPlan],
        people: Sequence[Person],
        ledger: Ledger,
        highq: HighQClient,
    ) -> list[PersonPlan]:
        """Find the accounts, if anyone needs one: a run without a change asks HighQ nothing."""
        if not any(plan.verdict.needs_account for plan in plans):
            return plans
        fields = [rule.highq for rule in self._run_spec.spec.highq.match]
        matches = match_people(people, highq.accounts(), fields, _holders(ledger))
        return resolve_account(plans, ledger.get, matches)

    def _check_brakes(self, sweep: Sweep, plans: Sequence[PersonPlan], ledger: Ledger) -> None:
        spec, header = self._run_spec.spec, ledger.header
        first_sync = not header.first_sync_completed
        breaches = brakes.find_breaches(
            sweep,
            header.sweeps[-1] if header.sweeps else None,
            plans,
            spec.safety,
            first_sync=first_sync,
        )
        brake = brakes.brake_for(
            breaches, header.brake, spec.safety.acknowledge, self._context.new_id()
        )
        if brake is None:
            return
        message = "; ".join(breach.message for breach in breaches)
        self._brake = Brake(id=brake.id, reason=breaches[0].reason, message=message)
        if spec.dry_run:
            self._notes.append(f"a real run would stop here: {message} (brake {brake.id})")
            return
        self._commit(ledger, header.model_copy(update={"brake": brake}))
        raise BrakeTripped(
            f"{message}. Nothing was uploaded. If it is as it should be, set spec.safety.acknowledge: "
            f'"{brake.id}" and run again'
        )

    def _finish(self, ledger: Ledger, sweep: Sweep) -> None:
        """Remember what the next run needs; the header goes last."""
        header, spec = ledger.header, self._run_spec.spec
        for request in self._run_spec.requests:
            header = header.having_handled(request)
        facts = {
            "first_sync_completed": header.first_sync_completed or not self._counters.failed,
            "image_attributes": tuple(spec.active_directory.image_attributes),
            "sweeps": (*header.sweeps, sweep)[-MAX_SWEEPS:],
            "brake": None,
        }
        self._commit(ledger, header.model_copy(update=facts))

    def _commit(self, ledger: Ledger, header: StateHeader) -> None:
        if not self._run_spec.spec.dry_run:
            ledger.commit(header)

    def _progress(self, done: int, total: int) -> None:
        self._context.progress(done, total)
        self._publish_if_due()

    def _publish_if_due(self) -> None:
        """Say how far the run is. Without an upload there is nothing to say before the end."""
        due = self._context.clock() - self._published_at >= PUBLISH_SECONDS
        if due and self._planned_uploads:
            run = self._counters.summed(self._run())
            left = max(self._planned_uploads - run.uploaded - run.failed, 0)
            self._context.publish(self._report(run.model_copy(update={"to_upload": left}), None))
            self._published_at = self._context.clock()

    def output(self, error: SyncError | None) -> RunOutput:
        """Return the report and the lists, whatever happened."""
        ended = {"completion_time": self._context.now(), "outcome": self._outcome(error)}
        run = self._counters.summed(self._run().model_copy(update=ended))
        log.info("run finished", run=self._context.run_id, outcome=self._outcome(error).value)
        return RunOutput(self._report(run, error), self._counters.lists(self._context.run_id))

    def _run(self) -> Run:
        run_spec = self._run_spec
        return Run(
            id=self._context.run_id,
            trigger=run_spec.trigger,
            request=run_spec.requests[-1] if run_spec.requests else None,
            generation=run_spec.generation,
            start_time=self._started,
            job=self._context.job or None,
        )

    def _report(self, run: Run, error: SyncError | None) -> Report:
        ledger = self._ledger
        return Report(
            run=run,
            exit_code=error.exit_code if error else EXIT_FINISHED,
            reason=error.reason if error else "",
            message=str(error) if error else "",
            reasons=self._counters.reasons(),
            notes=tuple(self._notes),
            first_sync_completed=bool(ledger and ledger.header.first_sync_completed),
            highq_token_expiry=token_expiry(
                self._run_spec.spec, self._context.references, self._context.tokens
            ),
            brake=self._brake,
            state=_facts(ledger) if ledger else None,
        )

    def _outcome(self, error: SyncError | None) -> Outcome:
        if isinstance(error, Busy):
            return Outcome.BUSY
        if error:
            return Outcome.FAILED
        if self._run_spec.spec.dry_run:
            return Outcome.DRY_RUN
        threshold = self._run_spec.spec.safety.failure_threshold_percent
        if self._counters.failed * 100 > self._with_image * threshold:
            return Outcome.FAILED
        return Outcome.PARTIAL_FAILURE if self._counters.failed else Outcome.SUCCEEDED


def _holders(ledger: Ledger) -> Mapping[int, Sequence[UUID]]:
    """Return whose recorded rows name which account."""
    holders: dict[int, list[UUID]] = defaultdict(list)
    for guid, entry in ledger.items():
        if entry.accepted and entry.accepted.account_id:
            holders[entry.accepted.account_id].append(guid)
    return holders


def _facts(ledger: Ledger) -> State:
    header = ledger.header
    return State(id=str(header.id), people=ledger.people, shards=header.shards, bytes=ledger.size)
