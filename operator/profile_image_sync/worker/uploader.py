"""The second phase of a run: reads each picture, has it converted and sent, records what HighQ accepted.

Apart from `run`, so that the rule "record only after HighQ's yes, whatever ends the run" stands in one
place. Only this thread reads the directory and writes the ledger; the pipeline's threads do the rest.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from uuid import UUID

import structlog

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.report import PeopleKind
from profile_image_sync.errors import (
    DeadlineReached,
    ImageRefused,
    Interrupted,
    MatchChanged,
    PersonError,
    SyncError,
    UploadRefused,
    UploadRejected,
    UploadUnconfirmed,
)
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.explanations import sentence
from profile_image_sync.worker.failure_streaks import FailureStreaks
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.images import source_md5
from profile_image_sync.worker.ledger import Ledger, PersonRecord, Refused
from profile_image_sync.worker.people import Avatar, Source, Subject
from profile_image_sync.worker.pipeline import Finished, Pipeline, Upload
from profile_image_sync.worker.plan import PersonPlan, Policy, Verdict, record_after, replan

FLUSH_SECONDS = 5.0  # a killed run repeats at most the uploads of this time
DIED_DECODING = "DiedDecoding"  # the reason of the mark that is left when a pod dies
MATCH_CHANGED = (
    "their attributes of spec.highq.match do not lead to that HighQ user any more; the next run looks to "
    "which one they lead now"
)

log = structlog.get_logger()

Progress = Callable[[int, int], None]  # plans processed, of how many


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
        still_leads: Callable[[UUID, int, tuple[str | None, ...]], bool],
        settings: ImageSettings,
        dry_run: bool,
        stop: threading.Event,
        clock: Callable[[], float],
        progress: Progress,
        deadline: float = math.inf,
    ) -> None:
        """`clock` is monotonic, in seconds, `deadline` a time on it; `stop` is set by SIGTERM."""
        self._directory = directory
        self._highq = highq
        self._ledger = ledger
        self._counters = counters
        self._policy = policy
        self._still_leads = still_leads
        self._settings = settings
        self._dry_run = dry_run
        self._stop = stop
        self._clock = clock
        self._progress = progress
        self._deadline = deadline
        self.all_recorded = True  # or somebody failed whom the next run must find by other means
        self._streaks = FailureStreaks()
        self._flushed_at = clock()

    def upload_all(self, plans: Iterator[PersonPlan], total: int) -> None:
        """Process `total` plans in their order. Raises the SyncError that ends the run early."""
        done, under_way = 0, list[PersonPlan]()
        with Pipeline(self._settings, self._send) as pipeline:
            try:
                for plan in plans:
                    under_way = [plan]
                    self._progress(done, total)
                    self._flush_if_due()
                    self._process(plan, pipeline)
                    done, under_way = done + 1, []
                while len(pipeline):
                    self._collect_finished(pipeline)
            finally:
                for plan in chain(under_way, plans):  # an early end: so that the numbers add up
                    self._counters.add_plan(plan)
                self._drain(pipeline)
        self._progress(total, total)

    def _process(self, plan: PersonPlan, pipeline: Pipeline) -> None:
        self._require_time()
        if not plan.verdict.uploads:
            self._record_without_upload(plan)
        elif fetched := self._fetch(plan):
            self._convert(*fetched, pipeline)

    def _convert(self, upload: Upload, raw: bytes, pipeline: Pipeline) -> None:
        """Hand a picture over to the pipeline; the large ones are converted here."""
        while not pipeline.has_room_for(raw):
            self._collect_finished(pipeline)
            self._require_time()
        try:
            if pipeline.is_large(raw):
                with self._mark_against_death(upload):
                    avatar = pipeline.convert(raw)
                pipeline.submit_converted(upload, avatar)
            else:
                pipeline.submit(upload, raw)
        except PersonError as error:
            self._on_failure(upload, error)

    def _require_time(self) -> None:
        """Raise what ends the run when it is asked to stop, or when its Job's deadline comes."""
        if self._stop.is_set():
            raise Interrupted(
                "stopped as requested: what HighQ accepted is recorded, the next run does the rest"
            )
        if self._clock() >= self._deadline:
            raise DeadlineReached(
                "the run ended by itself before spec.job.activeDeadlineSeconds: what HighQ accepted is "
                "recorded, the next run does the rest"
            )

    @contextmanager
    def _mark_against_death(self, upload: Upload) -> Iterator[None]:
        """Have the state say that this picture is refused, while it is decoded.

        If the pod dies meanwhile, the next run finds the mark and serves the others. It is written for
        the few pictures that take much memory only.
        """
        guid = upload.plan.person.guid
        before = self._ledger.get(guid)
        mark = Refused(upload.source.md5, DIED_DECODING, self._policy.image_settings)
        self._record(upload.plan, replace(before, refused=mark))
        self._flush()
        try:
            yield
        finally:
            self._record(upload.plan, before)
            self._flush()

    def _record_without_upload(self, plan: PersonPlan) -> None:
        """Count a plan that uploads nothing; record what its verdict says."""
        record = self._ledger.get(plan.person.guid)
        self._record(plan, record_after(plan, record, self._policy))
        self._counters.add_plan(plan)

    def _fetch(self, plan: PersonPlan) -> tuple[Upload, bytes] | None:
        """Read the picture; classify it again when it is not the one that was planned."""
        person, planned = plan.person, plan.person.source
        assert planned is not None  # noqa: S101  # a verdict that uploads has a source
        keys, raw, label = self._directory.picture(person.guid, planned.attribute)
        plan = replace(plan, person=Subject(person.guid, planned, label or person.label))
        if raw and not self._still_leads(person.guid, plan.account_id, keys):
            self._on_failure(Upload(plan, planned), MatchChanged("MatchChanged", MATCH_CHANGED))
            return None
        source = Source(planned.attribute, source_md5(raw)) if raw else None
        if source != planned:
            plan = replan(plan, source, self._ledger.get(person.guid), self._policy)
            if not plan.verdict.uploads:
                self._record_without_upload(plan)
                return None
        return (Upload(plan, source), raw) if source and raw else None

    def _send(self, account_id: int, avatar: Avatar) -> None:
        if not self._dry_run:
            self._highq.upload(account_id, avatar)

    def _collect_finished(self, pipeline: Pipeline) -> None:
        """Wait at most a second for uploads to end, record them all, then raise what ends the run."""
        ends_run: BaseException | None = None
        for finished in pipeline.finished(timeout=1.0):
            try:
                self._on_finished(finished)
            except SyncError as error:
                ends_run = error
        self._flush_if_due()
        if ends_run:
            raise ends_run

    def _on_finished(self, finished: Finished) -> None:
        match finished.error:
            case None:
                self._on_success(finished.upload)
            case PersonError() as error:
                self._on_failure(finished.upload, error)
            case error:
                raise error

    def _on_success(self, upload: Upload) -> None:
        plan = upload.plan
        self._streaks.on_success()
        if self._dry_run:
            self._counters.add_plan(plan)
        else:
            self._record_sent(upload)
            verdict = plan.verdict
            self._counters.add(PeopleKind.UPLOADED, plan.person, verdict, sentence(verdict))
            log.info("uploaded", person=str(plan.person.guid), account=plan.account_id)

    def _on_failure(self, upload: Upload, error: PersonError) -> None:
        person = upload.plan.person
        log.warning("not uploaded", person=str(person.guid), reason=error.reason, detail=str(error))
        match error:
            case ImageRefused():
                self._on_refusal(upload, error, self._policy.image_settings)
            case UploadRefused():
                self._on_refusal(upload, error, self._policy.upload_settings)
            case UploadUnconfirmed():
                self._counters.add(PeopleKind.UNCONFIRMED, person, error.reason, str(error))
                self._record_sent(upload, unconfirmed=True)
            case _:
                self._counters.add(PeopleKind.FAILED, person, error.reason, str(error))
                if isinstance(error, UploadRejected):  # that is our fault, not their attempt
                    self.all_recorded = False
                else:
                    record = self._ledger.get(person.guid)
                    self._record(upload.plan, replace(record, waiting=error.reason))
        self._streaks.on_failure(error)

    def _on_refusal(self, upload: Upload, error: PersonError, settings: bytes) -> None:
        """Record a refusal for good, with the settings that led to it."""
        person = upload.plan.person
        self._counters.add(PeopleKind.REFUSED, person, error.reason, str(error))
        refused = Refused(upload.source.md5, error.reason, settings)
        record = self._ledger.get(person.guid)
        self._record(upload.plan, replace(record, refused=refused, waiting=Verdict.REFUSED.value))

    def _record_sent(self, upload: Upload, *, unconfirmed: bool = False) -> None:
        """Record a picture that HighQ has accepted, or may have."""
        plan = upload.plan
        accepted = self._policy.accepted(upload.source, plan.account_id, unconfirmed=unconfirmed)
        record = self._ledger.get(plan.person.guid)
        self._record(plan, replace(record, accepted=accepted, waiting=""))

    def _record(self, plan: PersonPlan, record: PersonRecord) -> None:
        if not self._dry_run:
            self._ledger.put(plan.person.guid, record)

    def _flush_if_due(self) -> None:
        if self._clock() - self._flushed_at >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        self._ledger.flush()
        self._flushed_at = self._clock()

    def _drain(self, pipeline: Pipeline) -> None:
        """Start no further upload, and record those that still end."""
        for upload in pipeline.cancel():
            self._counters.add_plan(upload.plan)
        try:
            while len(pipeline):
                try:
                    self._collect_finished(pipeline)
                except SyncError as error:  # the first error is being raised already
                    log.info("also ended", reason=error.reason)
        finally:
            self._ledger.flush()
