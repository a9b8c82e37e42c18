"""Reads the API server's audit log: who asked for what, and when. One line of JSON for each request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class AuditedRequest:
    """One request that has been answered; a watch, when it has ended."""

    user: str
    verb: str
    resource: str  # plural, with its subresource
    group: str  # of the API; "" for the core
    name: str
    received: datetime
    status: int
    forbidden: bool  # by RBAC; admission may refuse what is allowed

    @property
    def right(self) -> tuple[str, str]:
        """Return verb and resource as `kubectl auth can-i` names them."""
        resource, slash, part = self.resource.partition("/")
        return self.verb, f"{resource}.{self.group}".rstrip(".") + slash + part

    @property
    def writes(self) -> bool:
        """Tell whether it may have changed anything."""
        return self.verb in WRITES


def read_audit_log(path: Path, user: str, since: datetime, until: datetime) -> list[AuditedRequest]:
    """Return the requests of a user that were received in this time."""
    with path.open() as lines:
        found = [each for each in map(read_line, lines) if each.user == user]
    return [each for each in found if since <= each.received < until]


def read_line(line: str) -> AuditedRequest:
    """Read one line of the log."""
    event = json.loads(line)
    about = event.get("objectRef", {})
    parts = [about.get("resource", ""), about.get("subresource", "")]
    return AuditedRequest(
        user=event["user"]["username"],
        verb=event["verb"],
        resource="/".join(filter(None, parts)),
        group=about.get("apiGroup", ""),
        name=about.get("name", ""),
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
        status=event.get("responseStatus", {}).get("code", 0),
        forbidden=event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid",
    )
