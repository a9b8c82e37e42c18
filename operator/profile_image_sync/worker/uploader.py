"""Carries decisions out: fetch the picture, make the portrait, upload it, record HighQ's yes.

One thread reads the directory and writes the ledger; a few threads convert and upload. A person's
failure never stops the others; what ends the run (SyncError) does so after what is under way is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import structlog

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.report import Kind
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
from profile_image_sync.worker.highq.client import HighQ
from profile_image_sync.worker.images import portrait, source_md5
from profile_image_sync.worker.ledger import Accepted, Entry, Ledger, Refused
from profile_image_sync.worker.matching import EXPLANATIONS, MatchOutcome
from profile_image_sync.worker.people import Source
from profile_image_sync.worker.plan import Decision, Policy, Verdict, classify

UPLOADERS = 4  # threads; HighQ's rate limit, not their number, bounds a run
IN_FLIGHT = 2 * UPLOADERS  # pictures held in memory
GIVE_UP_AFTER = 10  # people failing in a row: HighQ is down, not they are wrong
FLUSH_SECONDS = 5.0  # a killed run repeats the uploads of this long at most

log = structlog.get_logger()

Progress = Callable[[int, int], None]  # decisions carried out, of how many


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture on its way: the bytes that count are those that were sent."""

    decision: Decision
    source: Source
    raw: bytes

    def __repr__(self) -> str:
        """Leave the picture out: image bytes belong in no log."""
        return f"Upload({self.decision.person.guid}, {len(self.raw)} bytes)"


class Uploader:
    """The second phase of one run."""

    def __init__(
        self,
        *,
        directory: Directory,
        highq: HighQ,
        ledger: Ledger,
        tally: RunCounters,
        policy: Policy,
        settings: ImageSettings,
        dry_run: bool,
        stop: threading.Event,
        clock: Callable[[], float],
        progress: Progress,
    ) -> None:
        """Take the rooms to work with; `clock` is monotonic, in seconds."""
        self._directory = directory
        self._highq = highq
        self._ledger = ledger
        self._tally = tally
        self._policy = policy
        self._settings = settings
        self._dry_run = dry_run
        self._stop = stop
        self._clock = clock
        self._progress = progress
        self._in_flight: dict[Future[None], Upload] = {}
        self._failures_in_a_row = 0
        self._flushed_at = clock()

    def deliver(self, decisions: Sequence[Decision]) -> None:
        """Carry all decisions out, shard by shard. Raises the SyncError that ends the run early."""
        work = sorted(decisions, key=lambda d: self._ledger.shard_index(d.person.guid))
        with ThreadPoolExecutor(UPLOADERS, thread_name_prefix="upload") as pool:
            try:
                for done, decision in enumerate(work):
                    self._progress(done, len(work))
                    self._carry_out(decision, pool)
                while self._in_flight:
                    self._collect_finished()
            finally:
                self._drain()
        self._progress(len(work), len(work))

    def _carry_out(self, decision: Decision, pool: ThreadPoolExecutor) -> None:
        if self._stop.is_set():
            raise Interrupted(
                "asked to stop: what HighQ accepted is recorded, the next run does the rest"
            )
        if not decision.verdict.uploads:
            self._record_without_upload(decision)
            self._flush_if_due()
        elif upload := self._fetch(decision):
            while len(self._in_flight) >= IN_FLIGHT:
                self._collect_finished()
            self._in_flight[pool.submit(self._send, upload)] = upload

    def _record_without_upload(self, decision: Decision) -> None:
        """Count, and where the verdict says so record, a decision that uploads nothing."""
        person, source = decision.person, decision.person.source
        match decision.verdict:
            case Verdict.ADOPT | Verdict.RERECORD if source:
                accepted = Accepted(source.md5, source.attribute, decision.account_id)
                self._record(decision, Entry(accepted, None))
                if decision.verdict is Verdict.ADOPT:
                    self._tally.add(Kind.ADOPTED, person)
                else:
                    self._tally.unchanged += 1
            case Verdict.NO_IMAGE:
                self._tally.add(Kind.NO_IMAGE, person)
            case Verdict.REMOVED:
                self._tally.add(Kind.NO_IMAGE, person, "RemovedInSource")
            case Verdict.REFUSED:
                detail = f"refused before ({decision.reason}); tried again when the picture changes"
                self._tally.add(Kind.REFUSED, person, decision.reason, detail)
            case Verdict.UNMATCHED | Verdict.AMBIGUOUS as verdict:
                kind = Kind.UNMATCHED if verdict is Verdict.UNMATCHED else Kind.AMBIGUOUS
                detail = EXPLANATIONS[MatchOutcome(decision.reason)]
                self._tally.add(kind, person, decision.reason, detail)
            case _:
                self._tally.unchanged += 1

    def _fetch(self, decision: Decision) -> Upload | None:
        """Read the picture anew; judge again when it is not the one that was planned."""
        person, planned = decision.person, decision.person.source
        assert planned is not None  # noqa: S101  # a verdict that uploads has a source
        raw = self._directory.picture(person.guid, planned.attribute)
        source = Source(planned.attribute, source_md5(raw)) if raw else None
        if source != planned:
            verdict = classify(source, self._ledger.entry(person.guid), self._policy)
            if not verdict.uploads:
                self._record_without_upload(
                    replace(decision, person=replace(person, source=source), verdict=verdict)
                )
                return None
        return Upload(decision, source, raw) if source and raw else None

    def _send(self, upload: Upload) -> None:
        """Run in an uploader's thread. Raises PersonError or SyncError."""
        ready = portrait(upload.raw, self._settings)
        if not self._dry_run:
            self._highq.upload(upload.decision.account_id, ready)

    def _collect_finished(self) -> None:
        """Wait until something has finished, or a second; record what has."""
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
        self._failures_in_a_row = 0
        self._record(
            decision, Entry(Accepted(source.md5, source.attribute, decision.account_id), None)
        )
        self._tally.add(Kind.UPLOADED, decision.person, decision.verdict.value)
        if not self._dry_run:
            log.info("uploaded", person=str(decision.person.guid), account=decision.account_id)

    def _on_failure(self, upload: Upload, error: PersonError) -> None:
        person = upload.decision.person
        log.warning("not uploaded", person=str(person.guid), reason=error.reason, detail=str(error))
        if isinstance(error, UploadFailed):
            self._tally.add(Kind.FAILED, person, error.reason, str(error))
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= GIVE_UP_AFTER:
                raise HighQUnavailable(
                    f"the uploads of {GIVE_UP_AFTER} people in a row failed, the last one so: {error}"
                )
            return
        self._failures_in_a_row = 0
        self._tally.add(Kind.REFUSED, person, error.reason, str(error))
        settings = self._policy.image_settings if isinstance(error, ImageRefused) else None
        entry = self._ledger.entry(person.guid)
        refused = Refused(upload.source.md5, error.reason, settings)
        self._record(upload.decision, replace(entry, refused=refused))

    def _record(self, decision: Decision, entry: Entry) -> None:
        if not self._dry_run:
            self._ledger.record(decision.person.guid, entry)

    def _flush_if_due(self) -> None:
        if self._clock() - self._flushed_at >= FLUSH_SECONDS:
            self._ledger.flush()
            self._flushed_at = self._clock()

    def _drain(self) -> None:
        """After an early end: no further upload starts, what HighQ still accepts is recorded."""
        for future in [each for each in self._in_flight if each.cancel()]:
            del self._in_flight[future]
        try:
            while self._in_flight:
                try:
                    self._collect_finished()
                except SyncError as error:  # the first one is already on its way to the caller
                    log.info("also ended", reason=error.reason)
        finally:
            self._ledger.flush()
