"""One run, left to right: read and hash everyone, plan it all, then upload what must go up.

The same code runs in a pod and from the command line; what differs (where state, tokens and secrets
are kept, who watches the progress) comes in as a RunContext.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from profile_image_sync.api.report import LISTED, PeopleLists, Report
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.spec import FirstSync
from profile_image_sync.api.state_header import StateHeader, Sweep
from profile_image_sync.api.status import Brake, Outcome, Run, Trigger
from profile_image_sync.errors import BrakeTripped, Interrupted, StateUnavailable, SyncError
from profile_image_sync.worker import brakes, notes, transitions
from profile_image_sync.worker.acknowledgements import Acknowledgements
from profile_image_sync.worker.brakes import LimitBreach
from profile_image_sync.worker.connections import open_directory, open_highq, token_expiry
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.ledger import Ledger
from profile_image_sync.worker.people import Domain, Person
from profile_image_sync.worker.plan import Policy, policy_for, was_attempted
from profile_image_sync.worker.planner import RunPlan, plan_people, require_known_pictures
from profile_image_sync.worker.reading import Reader, Reading, record_scope
from profile_image_sync.worker.references import References
from profile_image_sync.worker.reporter import RunOutput, RunReporter, outcome_of
from profile_image_sync.worker.state_store import StateStore
from profile_image_sync.worker.sweeps import scope_fingerprint
from profile_image_sync.worker.token_store import TokenStore
from profile_image_sync.worker.uploader import Progress, Uploader

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where to run: the things that differ between a pod and a terminal."""

    run_id: str
    job: str  # uid of the Job; "": no Job
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
    open_highq: Callable[..., HighQClient] = open_highq
    max_listed: int = LISTED  # people of each kind
    former_lists: Callable[[], PeopleLists] = lambda: PeopleLists(run="")  # of the last run


def execute(run_spec: RunSpec, context: RunContext) -> RunOutput:
    """Do the run. Never raises SyncError: the report says how it ended."""
    execution, spec = _Execution(run_spec, context), run_spec.spec
    log.info("run started", run=context.run_id, mode=spec.mode.value, dry_run=spec.dry_run)
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
        self._spec = run_spec.spec
        self._context = context
        self._ledger: Ledger | None = None
        self._highq: HighQClient | None = None
        run = Run(
            id=context.run_id,
            trigger=run_spec.trigger,
            request=run_spec.requests[-1] if run_spec.requests else None,
            generation=run_spec.generation,
            start_time=context.started or context.now(),
            job=context.job or None,
        )
        self._reporter = RunReporter(
            run,
            RunCounters(context.max_listed),
            clock=context.clock,
            publish=context.publish,
            progress=context.progress,
        )

    def sync(self) -> None:
        """Read, plan, judge the numbers, upload, record what the next run needs."""
        spec, context = self._spec, self._context
        ledger = self._ledger = self._reporter.state = self._open_ledger()
        with context.open_directory(spec, context.references) as directory:
            reader = self._reader(ledger, directory)
            reader.decide(self._run_spec.trigger)
            self._bind(ledger, directory.domain)
            reading = reader.read()
            self._count(reading, ledger.header)
            with self._open_highq() as highq:
                reader.match(reading, highq)
                highest = reading.highest_account_id
                acknowledged = self._begin(ledger, highest)
                policy = policy_for(spec, acknowledged)
                plan = self._plan(ledger, reading, policy, acknowledged)
                listed = plan.without_label(context.max_listed, ledger.header.shards)
                plan.labels = directory.labels(listed)
                sweep = reading.sweep and reading.sweep.model_copy(update={"matched": plan.matched})
                breaches = self._check_brakes(sweep, plan, acknowledged)
                require_known_pictures(plan, policy, told=reading.tells_pictures)
                self._reporter.publish_plan(plan.uploads)
                if not spec.dry_run:
                    record_scope(ledger, reading, self._reporter.counters.people)
                uploader = self._uploader(directory, highq, reading, policy)
                try:
                    uploader.upload_all(plan.plans(ledger.header.shards), len(plan))
                except SyncError as error:
                    self._count_attempts(plan, highest, error)
                    raise
        header = transitions.ended(
            transitions.completed(ledger.header, spec.first_sync, highest, context.now()),
            requests=self._run_spec.requests,
            sweep=sweep,
            breaches=breaches,
            acknowledged=acknowledged,
        )
        self._conclude(ledger, header, reading, all_recorded=uploader.all_recorded)

    def keep_alive(self) -> None:
        """Renew HighQ's authorisation and do nothing else: no directory, no state."""
        with self._open_highq() as highq:
            highq.renew_authorisation()

    def _open_highq(self) -> HighQClient:
        spec, context = self._spec, self._context
        announce = context.on_first_refresh
        highq = self._highq = context.open_highq(
            spec, context.references, context.tokens, context.stop, on_first_refresh=announce
        )
        return highq

    def _open_ledger(self) -> Ledger:
        """Open the state that this run must find (rule 9)."""
        ledger = Ledger.open(self._context.store, expected_id=self._run_spec.state_id)
        transitions.require_pinned(ledger.header, self._spec.state, self._context.store.where)
        return ledger

    def _reader(self, ledger: Ledger, directory: Directory) -> Reader:
        header = transitions.with_lists(ledger.header, self._spec)
        acknowledged = Acknowledgements.parse(header, self._spec.safety.acknowledge)
        return Reader(
            self._spec,
            ledger,
            directory,
            acknowledged=acknowledged,
            now=self._context.now(),
            checking=self._unless_stopped,
        )

    def _bind(self, ledger: Ledger, domain: Domain) -> None:
        """Bind a new state to this domain and this HighQ; refuse one that belongs to others (rule 9)."""
        header = ledger.header.bound_to_domain(domain.guid)
        self._commit(ledger, header.bound_to_highq(self._spec.highq.address))

    def _unless_stopped(self, people: Iterable[Person]) -> Iterator[Person]:
        for person in people:
            if self._context.stop.is_set():
                raise Interrupted("asked to stop while reading the directory: nothing was uploaded")
            yield person

    def _count(self, reading: Reading, header: StateHeader) -> None:
        """Count everyone, or go on from what the last run counted."""
        reporter, counters, people = self._reporter, self._reporter.counters, reading.people
        reporter.full_sweep = reading.reason or ""
        reporter.note("" if reading.position else notes.POSITION_UNKNOWN)
        sweep = reading.sweep
        if sweep is None:
            if header.totals:
                counters.carry_over(header.totals, self._context.former_lists())
            log.info("changes read", people=len(people))
            return
        counters.people = sweep.people
        log.info("directory read", people=sweep.people, with_image=sweep.with_image)
        brakes.require_people(sweep, first_sync=not header.first_sync_completed)

    def _begin(self, ledger: Ledger, highest_account_id: int) -> Acknowledgements:
        """Record the lists that this run goes by, before any row is recorded under them."""
        header = transitions.begun(
            ledger.header, self._spec, highest_account_id, self._context.now()
        )
        self._commit(ledger, header)
        self._reporter.note(notes.first_sync_edited(header, self._spec.first_sync))
        return Acknowledgements.parse(header, self._spec.safety.acknowledge)

    def _plan(
        self, ledger: Ledger, reading: Reading, policy: Policy, acknowledged: Acknowledgements
    ) -> RunPlan:
        record_of, counters = ledger.get, self._reporter.counters
        plan = plan_people(
            reading.people,
            self._spec.highq.match,
            match_of=reading.match_of,
            record_of=record_of,
            policy=policy,
        )
        if reading.everyone:
            self._reporter.matching = plan.matching
        else:
            for person in reading.people:
                counters.take_out(person.guid, record_of(person.guid))
        counters.add_unchanged(plan.unchanged)
        self._reporter.note(notes.attributes_edited(plan.moved, acknowledged.attributes_change))
        self._reporter.note(notes.match_edited(plan.led_elsewhere, acknowledged.match_change))
        if policy.first_sync is FirstSync.OVERRIDE:
            self._reporter.note(notes.pictures_replaced(plan.first_uploads))
        return plan

    def _check_brakes(
        self, sweep: Sweep | None, plan: RunPlan, acknowledged: Acknowledgements
    ) -> list[LimitBreach]:
        """Return the numbers that pass a limit and are acknowledged; else stop before the first upload."""
        header, spec = acknowledged.header, self._spec
        breaches = brakes.find_breaches(
            sweep,
            header.sweeps,
            plan.verdicts,
            spec.safety,
            first_sync=not header.first_sync_completed,
        )
        brake = brakes.brake_for(breaches, header.brake, self._context.new_id())
        self._reporter.note(
            notes.unknown_acknowledgements(acknowledged.unknown([header.brake, brake]))
        )
        if brake is None or acknowledged.allows(brake.id):
            return breaches
        message = "; ".join(breach.message for breach in breaches)
        self._reporter.brake = Brake(id=brake.id, reason=breaches[0].reason, message=message)
        assert self._ledger  # noqa: S101  # sync has opened it
        way_on = notes.way_on(brake.id, self._run_spec, in_cluster=bool(self._context.job))
        if spec.dry_run:  # the one thing that a dry run records: its id is good for the real run
            self._ledger.commit(self._ledger.header.model_copy(update={"brake": brake}))
            self._reporter.note(
                f"a real run would stop here: {message}. To let it through, {way_on}"
            )
            return breaches
        self._ledger.commit(header.model_copy(update={"brake": brake}))
        for each in plan.plans(header.shards):
            self._reporter.counters.add_plan(each)
        raise BrakeTripped(
            f"{message}. Nothing was uploaded; the list toUpload holds who would be. If it is as it should "
            f"be, {way_on}, and run again"
        )

    def _uploader(
        self, directory: Directory, highq: HighQClient, reading: Reading, policy: Policy
    ) -> Uploader:
        context, spec, ledger = self._context, self._spec, self._ledger
        assert ledger  # noqa: S101  # sync has opened it
        return Uploader(
            directory=directory,
            highq=highq,
            ledger=ledger,
            counters=self._reporter.counters,
            policy=policy,
            still_leads=reading.still_leads,
            settings=spec.image,
            dry_run=spec.dry_run,
            stop=context.stop,
            clock=context.clock,
            deadline=context.deadline,
            progress=self._reporter.progress,
        )

    def _count_attempts(self, plan: RunPlan, highest_account_id: int, error: SyncError) -> None:
        """Complete the first sync if everyone was attempted, in this run or before (rule 7)."""
        ledger = self._ledger
        if ledger is None or ledger.header.first_sync or isinstance(error, StateUnavailable):
            return
        uploads = (each.person.guid for each in plan.plans() if each.verdict.uploads)
        if all(was_attempted(ledger.get(guid)) for guid in uploads):
            header, first_sync = ledger.header, self._spec.first_sync
            now = self._context.now()
            self._commit(ledger, transitions.completed(header, first_sync, highest_account_id, now))

    def _conclude(
        self, ledger: Ledger, header: StateHeader, reading: Reading, *, all_recorded: bool
    ) -> None:
        """Write the header, last; with totals and cursor, unless these would hide a failure."""
        if self._spec.dry_run:
            return
        if not all_recorded:
            ledger.commit(header)
            return
        header = transitions.counted(
            header,
            swept=reading.started if reading.everyone else None,
            scope=scope_fingerprint(self._spec),
            position=reading.position,
            totals=self._reporter.counters.totals(),
            accounts=reading.listed,
        )
        ledger.commit_counted(header)

    def _commit(self, ledger: Ledger, header: StateHeader) -> None:
        if not self._spec.dry_run:
            ledger.commit(header)

    def output(self, error: SyncError | None) -> RunOutput:
        """Return the report and the lists, whatever happened."""
        spec, context, reporter = self._spec, self._context, self._reporter
        outcome = Outcome.DRY_RUN
        if error or not spec.dry_run:
            limit = spec.safety.failure_threshold_percent
            outcome = outcome_of(error, reporter.counters, limit)
        output = reporter.output(
            error,
            outcome,
            completed=context.now(),
            token_expiry=token_expiry(spec, context.references, context.tokens, self._highq),
        )
        if reporter.counters.lists_people:
            return output
        former = context.former_lists().model_copy(update={"run": context.run_id})
        return replace(output, people=former)
