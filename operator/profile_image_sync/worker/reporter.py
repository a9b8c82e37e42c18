"""What a run says of itself: interim reports while it uploads, and the report when it has ended.

Apart from `run`, which acts: everything that is told to people and to the operator is gathered here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from profile_image_sync.api.report import Matching, PeopleLists, Report
from profile_image_sync.api.status import Brake, Outcome, Run, State
from profile_image_sync.errors import EXIT_FINISHED, Busy, DeadlineReached, SyncError
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.ledger import Ledger
from profile_image_sync.worker.uploader import Progress

PUBLISH_SECONDS = 30.0  # between two interim reports

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunOutput:
    """What a run leaves to be stored and shown."""

    report: Report
    people: PeopleLists


class RunReporter:
    """The report in the making."""

    def __init__(
        self,
        run: Run,
        counters: RunCounters,
        *,
        clock: Callable[[], float],
        publish: Callable[[Report], None],
        progress: Progress,
    ) -> None:
        """Take the run as it starts; `publish` gets interim reports."""
        self.counters = counters
        self.brake: Brake | None = None
        self.matching: Matching | None = None
        self.state: Ledger | None = None
        self._planned_uploads = 0
        self.full_sweep = ""  # why everyone was read
        self._run = run
        self._clock = clock
        self._publish = publish
        self._progress = progress
        self._published_at = -math.inf
        self._notes: list[str] = []

    def note(self, note: str) -> None:
        """Add a remark; "" is none."""
        if note:
            log.info("note", text=note)
            self._notes.append(note)

    def progress(self, done: int, total: int) -> None:
        """Say how far the uploads are."""
        self._progress(done, total)
        self._publish_if_due()

    def publish_plan(self, uploads: int) -> None:
        """Say what the run is about to do. Without an upload there is nothing to say before the end."""
        self._planned_uploads = uploads
        self._publish_if_due()

    def _publish_if_due(self) -> None:
        if self._planned_uploads and self._clock() - self._published_at >= PUBLISH_SECONDS:
            run = self.counters.filled(self._run)
            left = max(self._planned_uploads - run.uploaded - run.failed, 0)
            interim = run.model_copy(update={"to_upload": left})
            self._publish(self._report(interim, None, token_expiry=None))
            self._published_at = self._clock()

    def output(
        self,
        error: SyncError | None,
        outcome: Outcome,
        *,
        completed: datetime,
        token_expiry: datetime | None,
    ) -> RunOutput:
        """Return the report and the lists, whatever happened."""
        ended = {"completion_time": completed, "outcome": outcome}
        run = self.counters.filled(self._run.model_copy(update=ended))
        report = self._report(run, error, token_expiry=token_expiry)
        log.info("run finished", run=run.id, outcome=outcome.value)
        return RunOutput(report, self.counters.lists(run.id))

    def _report(
        self, run: Run, error: SyncError | None, *, token_expiry: datetime | None
    ) -> Report:
        ledger = self.state
        return Report(
            run=run,
            exit_code=error.exit_code if error else EXIT_FINISHED,
            reason=error.reason if error else "",
            message=str(error) if error else "",
            reasons=self.counters.reasons(),
            notes=tuple(self._notes),
            first_sync_completed=bool(ledger and ledger.header.first_sync_completed),
            highq_token_expiry=token_expiry,
            brake=self.brake,
            full_sweep=self.full_sweep,
            matching=self.matching,
            state=_facts(ledger) if ledger else None,
        )


def outcome_of(error: SyncError | None, counters: RunCounters, threshold_percent: int) -> Outcome:
    """Return how a real run has ended."""
    if isinstance(error, DeadlineReached):
        return Outcome.PARTIAL_FAILURE
    if error:
        return Outcome.BUSY if isinstance(error, Busy) else Outcome.FAILED
    return counters.outcome(threshold_percent)


def _facts(ledger: Ledger) -> State | None:
    """Return what is told of the state; None when a part of it cannot be read."""
    header = ledger.header
    try:
        stored = ledger.stored()
    except SyncError:
        return None
    return State(id=str(header.id), people=stored.people, shards=header.shards, bytes=stored.bytes)
