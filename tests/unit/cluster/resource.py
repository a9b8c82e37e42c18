"""A resource as the API server returns it, for tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from profile_image_sync import names
from profile_image_sync.cluster.resources import SyncResource

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SPEC = {
    "highq": {
        "url": "https://acme.highq.com/acme",
        "credentialsSecretRef": {"name": "highq-oauth"},
    }
}


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    """Return a condition."""
    time = NOW.isoformat()
    told = {"status": status, "reason": reason, "message": message}
    return {"type": kind, "lastTransitionTime": time, **told}


def run(outcome: str = "Succeeded", job: str = "pisync-acme-1", **facts: Any) -> dict[str, Any]:
    """Return a run that has ended."""
    return {"id": names.run_id("acme", job), "job": job, "outcome": outcome, **facts}


def resource(
    *conditions: dict[str, str],
    annotations: dict[str, str] | None = None,
    minutes_old: int = 60,
    spec: Any = None,
    **status: Any,
) -> SyncResource:
    """Return tenant-acme/acme with this status."""
    metadata = {
        "namespace": "tenant-acme",
        "name": "acme",
        "creationTimestamp": (NOW - timedelta(minutes=minutes_old)).isoformat(),
        "annotations": annotations or {},
    }
    body = {"metadata": metadata, "spec": SPEC if spec is None else spec}
    return SyncResource.of(body | {"status": {"conditions": list(conditions), **status}})
