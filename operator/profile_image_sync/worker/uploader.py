"""The second phase of a run: reads each picture, converts it, uploads it, records what HighQ accepted.

One thread reads the directory and writes the ledger; a few threads convert and upload. Apart from `run`,
so that the rule "record only after HighQ's yes, whatever ends the run" stands in one place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import structlog

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.report import PeopleKind
from profile_image_sync.errors import (
    HighQUnavailable,
    ImageRefused,
    Interrupted,
    PersonError,
    SyncError,
    UploadFailed,
)
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.images import make_avatar, source_md5
from profile_image_sync.worker.ledger import Ledger, PersonRecord, Refused
from profile_image_sync.worker.matching import EXPLANATIONS, MatchOutcome
from profile_image_sync.worker.people import Source
from profile_image_sync.worker.plan import PersonPlan, Policy, Verdict, classify

THREADS = 4  # HighQ's rate limit, not their number, bounds a run
IN_FLIGHT = 2 * THREADS  # pictures held in memory
MAX_CONSECUTIVE_FAILURES = 10  # then HighQ is down, and the run ends
FLUSH_SECONDS = 5.0  # a killed run repeats at most the uploads of this time

log = structlog.get_logger()

Progress = Callable[[int, int], None]  # decisions processed, of how many


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture in flight. `source` is the hash of `raw`, the bytes that are sent, not of the plan."""

    decision: PersonPlan
    source: Source
    raw: bytes

    def __repr__(self) -> str:
        """Leave the bytes out: no log may hold a picture."""
        return f"Upload({self.decision.person.guid}, {len(self.raw)} bytes)"


class Uploader:
    """The second phase of one run."""

    def __init__(
        self,
        *,
        directory: Directory,
        highq: HighQClient,
        ledger: Ledger,
        counters: RunCounters,
        policy: Policy,
        settings: ImageSettings,
        dry_run: bool,
        stop: threading.Event,
        clock: Callable[[], float],
        progress: Progress,
    ) -> None:
        """`clock` is monotonic, in seconds; `stop` is set by SIGTERM."""
        self._directory = directory
        self._highq = highq
        self._ledger = ledger
        self._counters = counters
        self._policy = policy
        self._settings = settings
        self._dry_run = dry_run
        self._stop = stop
        self._clock = clock
        self._progress = progress
        self._in_flight: dict[Future[None], Upload] = {}
        self._consecutive_failures = 0
        self._flushed_at = clock()

    def upload_all(self, decisions: Sequence[PersonPlan]) -> None:
        """Process all decisions, shard by shard. Raises the SyncError that ends the run early."""
        work = sorted(decisions, key=lambda d: self._ledger.shard_index(d.person.guid))
        with ThreadPoolExecutor(THREADS, thread_name_prefix="upload") as pool:
            try:
                for done, decision in enumerate(work):
                    self._progress(done, len(work))
                    self._process(decision, pool)
                while self._in_flight:
                    self._collect_finished()
            finally:
                self._drain()
        self._progress(len(work), len(work))

    def _process(self, decision: PersonPlan, pool: ThreadPoolExecutor) -> None:
        if self._stop.is_set():
            raise Interrupted(
                "stopped as requested: what HighQ accepted is recorded, the next run does the rest"
            )
        if not decision.verdict.uploads:
            self._record_without_upload(decision)
            self._flush_if_due()
        elif upload := self._fetch(decision):
            while len(self._in_flight) >= IN_FLIGHT:
                self._collect_finished()
            self._in_flight[pool.submit(self._send, upload)] = upload

    def _record_without_upload(self, decision: PersonPlan) -> None:
        """Count a decision that uploads nothing; record it if its verdict says so."""
        person, source = decision.person, decision.person.source
        match decision.verdict:
            case Verdict.ADOPT | Verdict.RERECORD if source:
                accepted = self._policy.accepted(source, decision.account_id)
                self._record(decision, PersonRecord(accepted, None))
                if decision.verdict is Verdict.ADOPT:
                    self._counters.add(PeopleKind.ADOPTED, person)
                else:
                    self._counters.unchanged += 1
            case Verdict.NO_IMAGE:
                self._counters.add(PeopleKind.NO_IMAGE, person)
            case Verdict.REMOVED:
                self._counters.add(PeopleKind.NO_IMAGE, person, "RemovedInSource")
            case Verdict.REFUSED:
                detail = f"refused before ({decision.reason}); tried again when the picture changes"
                self._counters.add(PeopleKind.REFUSED, person, decision.reason, detail)
            case Verdict.UNMATCHED | Verdict.AMBIGUOUS as verdict:
                kind = (
                    PeopleKind.UNMATCHED if verdict is Verdict.UNMATCHED else PeopleKind.AMBIGUOUS
                )
                detail = EXPLANATIONS[MatchOutcome(decision.reason)]
                self._counters.add(kind, person, decision.reason, detail)
            case _:
                self._counters.unchanged += 1

    def _fetch(self, decision: PersonPlan) -> Upload | None:
        """Read the picture; classify it again when it is not the one that was planned."""
        person, planned = decision.person, decision.person.source
        assert planned is not None  # noqa: S101  # a verdict that uploads has a source
        raw = self._directory.picture(person.guid, planned.attribute)
        source = Source(planned.attribute, source_md5(raw)) if raw else None
        if source != planned:
            verdict = classify(source, self._ledger.get(person.guid), self._policy)
            if not verdict.uploads:
                self._record_without_upload(
                    replace(decision, person=replace(person, source=source), verdict=verdict)
                )
                return None
        return Upload(decision, source, raw) if source and raw else None

    def _send(self, upload: Upload) -> None:
        """Convert and upload, in a thread of the pool. Raises PersonError or SyncError."""
        ready = make_avatar(upload.raw, self._settings)
        if not self._dry_run:
            self._highq.upload(upload.decision.account_id, ready)

    def _collect_finished(self) -> None:
        """Wait at most a second for uploads to finish, and record their results."""
        done, _ = wait(self._in_flight, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in done:
            upload = self._in_flight.pop(future)
            try:
                future.result()
            except PersonError as error:
                self._on_failure(upload, error)
            else:
                self._on_success(upload)
        self._flush_if_due()

    def _on_success(self, upload: Upload) -> None:
        decision, source = upload.decision, upload.source
        self._consecutive_failures = 0
        self._record(
            decision,
            PersonRecord(self._policy.accepted(source, decision.account_id)),
        )
        self._counters.add(PeopleKind.UPLOADED, decision.person, decision.verdict.value)
        if not self._dry_run:
            log.info("uploaded", person=str(decision.person.guid), account=decision.account_id)

    def _on_failure(self, upload: Upload, error: PersonError) -> None:
        person = upload.decision.person
        log.warning("not uploaded", person=str(person.guid), reason=error.reason, detail=str(error))
        if isinstance(error, UploadFailed):
            self._counters.add(PeopleKind.FAILED, person, error.reason, str(error))
            self._consecutive_failures += 1
            if self._consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
                raise HighQUnavailable(
                    f"{MAX_CONSECUTIVE_FAILURES} uploads in a row failed; the last error: {error}"
                )
            return
        self._consecutive_failures = 0
        self._counters.add(PeopleKind.REFUSED, person, error.reason, str(error))
        ours = isinstance(error, ImageRefused)
        settings = self._policy.image_settings if ours else self._policy.upload_settings
        record = self._ledger.get(person.guid)
        refused = Refused(upload.source.md5, error.reason, settings)
        self._record(upload.decision, replace(record, refused=refused))

    def _record(self, decision: PersonPlan, record: PersonRecord) -> None:
        if not self._dry_run:
            self._ledger.put(decision.person.guid, record)

    def _flush_if_due(self) -> None:
        if self._clock() - self._flushed_at >= FLUSH_SECONDS:
            self._ledger.flush()
            self._flushed_at = self._clock()

    def _drain(self) -> None:
        """After an early end: start no further upload, and record those that still finish."""
        for future in [each for each in self._in_flight if each.cancel()]:
            del self._in_flight[future]
        try:
            while self._in_flight:
                try:
                    self._collect_finished()
                except SyncError as error:  # the first error is being raised already
                    log.info("also ended", reason=error.reason)
        finally:
            self._ledger.flush()
