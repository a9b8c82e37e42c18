"""Snapshots of a resource as the operator observes it, for tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from profile_image_sync.api.report import Report
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.api.status import (
    Outcome,
    ProfileImageSyncStatus,
    RequestSource,
    Run,
    Trigger,
)
from profile_image_sync.controller import run_result
from profile_image_sync.controller.bodies import Tenant
from profile_image_sync.controller.decide import Decision, decide
from profile_image_sync.controller.evidence import Evidence
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.controller.snapshot import JobView, Observed, Reference, ServedRequest

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
STATE, NEW = UUID(int=1), UUID(int=2)
SPEC: dict[str, Any] = {
    "mode": "Continuous",
    "schedule": "@hourly",
    "activeDirectory": {
        "servers": ["ldaps://dc1.corp.example"],
        "credentialsSecretRef": {"name": "ad-bind"},
    },
    "highq": {
        "url": "https://acme.highq.com/acme",
        "credentialsSecretRef": {"name": "highq-oauth"},
    },
}
RUNNING = Evidence(pods=1, started=True)
SETTINGS = OperatorSettings(worker_image="registry.example/worker:1")
ONE_OFF = {"mode": "OneOff", "schedule": None}
HEADER = StateHeader(id=STATE)
DONE = StateHeader(id=STATE, first_sync_completed=True)


def observed(spec: dict[str, Any] | None = None, **facts: Any) -> Observed:
    """Return a resource that was just applied, but for these facts."""
    changed = {key: value for key, value in (SPEC | (spec or {})).items() if value is not None}
    model = ProfileImageSyncSpec.model_validate(changed)
    known: dict[str, Any] = {
        "tenant": Tenant("acme", "tenant-acme", "uid", 1, model),
        "annotation": "",
        "acknowledgement": "",
        "status": ProfileImageSyncStatus(),
        "header": HEADER,
        "unreadable": None,
        "shards": 0,
        "report": None,
        "jobs": (),
        "references": (),
        "foreign": (),
        "terminating": (),
        "orphans": (),
    }
    return Observed(**known | facts)


def job(**facts: Any) -> JobView:
    """Return a Job that goes on, but for these facts."""
    known: dict[str, Any] = {
        "name": "pisync-acme-1",
        "uid": "job-1",
        "created": NOW - timedelta(minutes=5),
        "finished": None,
        "failed": False,
        "reason": "",
        "requests": (),
        "scheduled": False,
        "trigger": Trigger.REQUEST,
        "generation": 1,
        "template": "",
        "references": "",
        "evidence": RUNNING,
    }
    return JobView(**known | facts)


def run(outcome: Outcome = Outcome.SUCCEEDED, minutes_ago: float = 10, **facts: Any) -> Run:
    """Return a run that has ended."""
    ended = NOW - timedelta(minutes=minutes_ago)
    known: dict[str, Any] = {
        "id": "run-1",
        "job": "job-0",
        "start_time": ended - timedelta(minutes=1),
        "completion_time": ended,
        "outcome": outcome,
    }
    return Run(**known | facts)


def report(ended: Run, exit_code: int = 0, reason: str = "") -> Report:
    """Return the report of that run."""
    return Report(run=ended, exit_code=exit_code, reason=reason, message=reason and f"{reason}.")


STEPPED_BACK = report(Run(id="0", outcome=Outcome.BUSY), 10, "Busy")
BUSY = job(
    name="pisync-acme-0",
    uid="job-busy",
    finished=NOW - timedelta(seconds=30),
    evidence=Evidence(pods=1, started=True, exit_code=0, report=STEPPED_BACK),
)
REFUSED = report(run(Outcome.FAILED, generation=1), 20, "BindRefused")


def decided(seen: Observed, now: datetime = NOW) -> Decision:
    """Decide as the reconciler does."""
    return decide(seen, run_result.latest(seen), SETTINGS, now, NEW)


def asking(*values: str, source: RequestSource = RequestSource.SPEC) -> tuple[ServedRequest, ...]:
    """Return requests as a Job carries them."""
    return tuple(ServedRequest(source, value) for value in values)


def secret(version: str = "v1", changed: datetime | None = None) -> Reference:
    """Return a Secret that the spec names."""
    return Reference("Secret", "ad-bind", version, changed or NOW - timedelta(days=1))
