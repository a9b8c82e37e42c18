"""One run, left to right: read and hash everyone, plan it all, then upload what must go up.

The same code runs in a pod and from the command line; what differs (where state, tokens and secrets
are kept, who watches the progress) comes in as a RunContext.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from profile_image_sync.api.report import PeopleLists, Report
from profile_image_sync.api.spec import FirstSync, ProfileImageSyncSpec
from profile_image_sync.api.state_header import StateHeader, Sweep
from profile_image_sync.api.status import Brake, Outcome, Run, State
from profile_image_sync.errors import (
    EXIT_FINISHED,
    BrakeTripped,
    Busy,
    Interrupted,
    SyncError,
)
from profile_image_sync.worker import brakes, images
from profile_image_sync.worker.connections import open_directory, open_highq
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.ledger import Ledger
from profile_image_sync.worker.matching import match_people
from profile_image_sync.worker.people import Domain, Person
from profile_image_sync.worker.plan import Decision, Policy, Verdict, plan_person, resolve_account
from profile_image_sync.worker.references import References
from profile_image_sync.worker.state_store import StateStore
from profile_image_sync.worker.token_store import TokenStore
from profile_image_sync.worker.uploader import Progress, Uploader

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: a snapshot of the resource and who asked."""

    spec: ProfileImageSyncSpec
    run_id: str
    requests: tuple[str, ...] = ()  # the run requests that this run serves, the newest last
    generation: int = 0
    job: str = ""
    state_id: UUID | None = None  # of the state this run must find; None: whatever is there


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where to run: the things that differ between a pod and a terminal."""

    store: StateStore
    tokens: TokenStore
    references: References
    now: Callable[[], datetime]  # UTC, aware
    clock: Callable[[], float]  # monotonic, seconds
    new_id: Callable[[], str]  # for brakes: short and random
    stop: threading.Event  # set by SIGTERM
    progress: Progress


@dataclass(frozen=True, slots=True)
class Result:
    """What a run leaves to be stored and shown."""

    report: Report
    people: PeopleLists


def execute(order: Order, bench: RunContext) -> Result:
    """Do the run. Never raises SyncError: the report says how it ended."""
    started = bench.now()
    work = _Work(order, bench)
    log.info(
        "run started", run=order.run_id, mode=order.spec.mode.value, dry_run=order.spec.dry_run
    )
    try:
        work.sync()
    except SyncError as error:
        return work.result(started, error)
    return work.result(started, None)


def failed_before_start(order: Order, bench: RunContext, error: SyncError) -> Result:
    """Return what is left of a run that this error kept from starting."""
    return _Work(order, bench).result(bench.now(), error)


class _Work:
    """The run under way, with what it has learnt so far."""

    def __init__(self, order: Order, bench: RunContext) -> None:
        self._order = order
        self._bench = bench
        self._tally = RunCounters()
        self._ledger: Ledger | None = None
        self._brake: Brake | None = None
        self._notes: list[str] = []
        self._with_image = 0
        self._token_expiry: datetime | None = None

    def sync(self) -> None:
        """Read, plan, brake, deliver, close the books."""
        spec, bench = self._order.spec, self._bench
        ledger = self._ledger = Ledger.open(bench.store, expected_id=self._order.state_id)
        with open_directory(spec, bench.references) as directory:
            self._bind(ledger, directory.domain)
            people = list(self._unless_stopped(directory.people()))
            sweep = self._swept(people, ledger.header)
            policy = self._policy(ledger.header)
            proposals = [
                plan_person(person, ledger.entry(person.guid), policy) for person in people
            ]
            self._note_rerecorded(proposals, ledger.header)
            with open_highq(spec, bench.references, bench.tokens, bench.stop) as highq:
                decisions = self._assigned(proposals, people, ledger, highq)
                self._check_brakes(sweep, decisions, ledger)
                if not spec.dry_run:
                    ledger.reserve(len(people))
                Uploader(
                    directory=directory,
                    highq=highq,
                    ledger=ledger,
                    counters=self._tally,
                    policy=policy,
                    settings=spec.image,
                    dry_run=spec.dry_run,
                    stop=bench.stop,
                    clock=bench.clock,
                    progress=bench.progress,
                ).upload_all(decisions)
                self._token_expiry = highq.token_expiry()
        self._finish(ledger, sweep)

    def _bind(self, ledger: Ledger, domain: Domain) -> None:
        """Bind a new state to this domain and this HighQ; refuse one that belongs to others (rule 9)."""
        header = ledger.header
        bound = header.bound_to_domain(domain.guid).bound_to_highq(self._order.spec.highq.address)
        if bound != header:
            self._commit(ledger, bound)

    def _unless_stopped(self, people: Iterable[Person]) -> Iterator[Person]:
        for person in people:
            if self._bench.stop.is_set():
                raise Interrupted("asked to stop while reading the directory: nothing was uploaded")
            yield person

    def _swept(self, people: Sequence[Person], header: StateHeader) -> Sweep:
        attributes = self._order.spec.active_directory.image_attributes
        sweep = brakes.sweep_of(people, attributes)
        self._tally.people = sweep.people
        self._with_image = sweep.with_image
        log.info("directory read", people=sweep.people, with_image=sweep.with_image)
        brakes.require_people(sweep, first_sync=not header.first_sync_completed)
        return sweep

    def _policy(self, header: StateHeader) -> Policy:
        spec = self._order.spec
        attributes = tuple(spec.active_directory.image_attributes)
        return Policy(
            mode=spec.mode,
            adopting=spec.first_sync is FirstSync.ADOPT and not header.first_sync_completed,
            image_attributes=attributes,
            rerecord=self._rerecords(header.image_attributes, attributes),
            image_settings=images.settings_fingerprint(spec.image),
        )

    def _rerecords(self, before: tuple[str, ...] | None, now: tuple[str, ...]) -> bool:
        """Tell whether a changed list of attributes moves hashes without an upload."""
        if before is None or before == now:
            return False
        return self._order.spec.safety.acknowledge != brakes.attributes_change(before, now)

    def _note_rerecorded(self, proposals: Sequence[Decision], header: StateHeader) -> None:
        count = sum(proposal.verdict is Verdict.RERECORD for proposal in proposals)
        if count and header.image_attributes:
            now = self._order.spec.active_directory.image_attributes
            change = brakes.attributes_change(header.image_attributes, now)
            self._notes.append(
                f"imageAttributes changed: {count} images that come from another attribute now are recorded "
                f'as they are; a run with safety.acknowledge: "{change}" uploads them instead (see dryRun)'
            )

    def _assigned(
        self,
        proposals: list[Decision],
        people: Sequence[Person],
        ledger: Ledger,
        highq: HighQClient,
    ) -> list[Decision]:
        """Find the accounts, if anyone needs one: a run without a change asks HighQ nothing."""
        if not any(proposal.verdict.needs_account for proposal in proposals):
            return proposals
        fields = [rule.highq for rule in self._order.spec.highq.match]
        matches = match_people(people, highq.accounts(), fields, _holders(ledger))
        return resolve_account(proposals, ledger.entry, matches)

    def _check_brakes(self, sweep: Sweep, decisions: Sequence[Decision], ledger: Ledger) -> None:
        spec, header = self._order.spec, ledger.header
        first_sync = not header.first_sync_completed
        found = brakes.alarms(sweep, header.sweep, decisions, spec.safety, first_sync=first_sync)
        brake = brakes.pull(found, header.brake, spec.safety.acknowledge, self._bench.new_id())
        if brake is None:
            return
        message = "; ".join(alarm.message for alarm in found)
        self._brake = Brake(id=brake.id, reason=found[0].reason, message=message)
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
        header, spec = ledger.header, self._order.spec
        for request in self._order.requests:
            header = header.having_handled(request)
        facts = {
            "first_sync_completed": header.first_sync_completed or not self._tally.failed,
            "image_attributes": tuple(spec.active_directory.image_attributes),
            "sweep": sweep,
            "brake": None,
        }
        self._commit(ledger, header.model_copy(update=facts))

    def _commit(self, ledger: Ledger, header: StateHeader) -> None:
        if not self._order.spec.dry_run:
            ledger.commit(header)

    def result(self, started: datetime, error: SyncError | None) -> Result:
        """Return the report and the lists, whatever happened."""
        order, ledger = self._order, self._ledger
        run = Run(
            id=order.run_id,
            request=order.requests[-1] if order.requests else None,
            generation=order.generation,
            start_time=started,
            completion_time=self._bench.now(),
            outcome=self._outcome(error),
            job=order.job or None,
        )
        report = Report(
            run=self._tally.summed(run),
            exit_code=error.exit_code if error else EXIT_FINISHED,
            reason=error.reason if error else "",
            message=str(error) if error else "",
            reasons=self._tally.reasons(),
            notes=tuple(self._notes),
            first_sync_completed=bool(ledger and ledger.header.first_sync_completed),
            highq_token_expiry=self._token_expiry,
            brake=self._brake,
            state=_facts(ledger) if ledger else None,
        )
        log.info("run finished", run=order.run_id, outcome=self._outcome(error).value)
        return Result(report, self._tally.lists(order.run_id))

    def _outcome(self, error: SyncError | None) -> Outcome:
        if isinstance(error, Busy):
            return Outcome.BUSY
        if error:
            return Outcome.FAILED
        if self._order.spec.dry_run:
            return Outcome.DRY_RUN
        threshold = self._order.spec.safety.failure_threshold_percent
        if self._tally.failed * 100 > self._with_image * threshold:
            return Outcome.FAILED
        return Outcome.PARTIAL_FAILURE if self._tally.failed else Outcome.SUCCEEDED


def _holders(ledger: Ledger) -> Mapping[int, Sequence[UUID]]:
    """Return whose recorded rows name which account."""
    holders: dict[int, list[UUID]] = defaultdict(list)
    for guid, entry in ledger.entries():
        if entry.accepted and entry.accepted.account_id:
            holders[entry.accepted.account_id].append(guid)
    return holders


def _facts(ledger: Ledger) -> State:
    header = ledger.header
    return State(id=str(header.id), people=ledger.people, shards=header.shards, bytes=ledger.size)
