"""Reads the API server's audit log: who asked for what, and when. One line of JSON for each request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

POD = "authentication.kubernetes.io/pod-name"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class AuditedRequest:
    """One request that has been answered; a watch, when it has ended."""

    user: str
    pod: str  # of a service account; "" for others
    verb: str
    resource: str  # plural, with its subresource
    group: str  # of the API; "" for the core's
    name: str
    received: datetime
    status: int
    decision: str  # of the authorizer: allow or forbid, and by which role
    reason: str

    @property
    def writes(self) -> bool:
        """Tell whether it may have changed anything."""
        return self.verb in WRITES


def read_audit_log(path: Path, user: str, since: datetime, until: datetime) -> list[AuditedRequest]:
    """Return the requests of a user that were received in this time."""
    found = (each for each in _requests(path) if each.user == user)
    return [each for each in found if since <= each.received < until]


def _requests(path: Path) -> Iterator[AuditedRequest]:
    with path.open() as lines:
        for line in lines:
            event = json.loads(line)
            about, annotations = event.get("objectRef", {}), event.get("annotations", {})
            parts = [about.get("resource", ""), about.get("subresource", "")]
            yield AuditedRequest(
                user=event["user"]["username"],
                pod="".join(event["user"].get("extra", {}).get(POD, ())),
                verb=event["verb"],
                resource="/".join(filter(None, parts)),
                group=about.get("apiGroup", ""),
                name=about.get("name", ""),
                received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
                status=event.get("responseStatus", {}).get("code", 0),
                decision=annotations.get("authorization.k8s.io/decision", ""),
                reason=annotations.get("authorization.k8s.io/reason", ""),
            )
