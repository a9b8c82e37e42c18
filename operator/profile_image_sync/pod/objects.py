"""The objects that a run reads and writes, and how they look as JSON of the API server. Pure."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Metadata = Mapping[str, Any]  # as the API server gave it, to be handed back; nobody looks inside


class Kind(StrEnum):
    """What is kept where."""

    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"  # noqa: S105  # a kind
    LEASE = "Lease"


@dataclass(frozen=True, slots=True)
class Record:
    """A ConfigMap or a Secret. Replacing it needs the one that was read, for its version."""

    kind: Kind
    name: str
    text: Mapping[str, str] = field(default_factory=dict, repr=False)  # of ConfigMaps only
    binary: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    metadata: Metadata = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Who holds what the Lease stands for."""

    name: str
    holder: str  # "": nobody
    duration_seconds: int
    acquired: datetime | None
    renewed: datetime | None
    transitions: int
    metadata: Metadata = field(default_factory=dict, repr=False)


def record_of(kind: Kind, answer: Any) -> Record:
    """Read a ConfigMap or a Secret."""
    data, binary = answer.get("data") or {}, answer.get("binaryData") or {}
    if kind is Kind.SECRET:
        data, binary = {}, data
    return Record(
        kind=kind,
        name=answer["metadata"]["name"],
        text=data,
        binary={key: b64decode(value) for key, value in binary.items()},
        metadata=_without_managers(answer["metadata"]),
    )


def record_body(record: Record) -> Any:
    """Write a ConfigMap or a Secret, but for its apiVersion and kind."""
    binary = {key: b64encode(value).decode() for key, value in record.binary.items()}
    values = {"data": binary}
    if record.kind is not Kind.SECRET:
        values = {"data": dict(record.text), "binaryData": binary}
    return {"metadata": {**record.metadata, "name": record.name}, **values}


def lease_of(answer: Any) -> LeaseRecord:
    """Read a Lease."""
    spec = answer.get("spec") or {}
    return LeaseRecord(
        name=answer["metadata"]["name"],
        holder=spec.get("holderIdentity") or "",
        duration_seconds=spec.get("leaseDurationSeconds") or 0,
        acquired=_moment(spec.get("acquireTime")),
        renewed=_moment(spec.get("renewTime")),
        transitions=spec.get("leaseTransitions") or 0,
        metadata=_without_managers(answer["metadata"]),
    )


def lease_body(lease: LeaseRecord) -> Any:
    """Write a Lease, but for its apiVersion and kind."""
    spec = {
        "holderIdentity": lease.holder or None,
        "leaseDurationSeconds": lease.duration_seconds or None,
        "acquireTime": _written(lease.acquired),
        "renewTime": _written(lease.renewed),
        "leaseTransitions": lease.transitions,
    }
    return {"metadata": {**lease.metadata, "name": lease.name}, "spec": spec}


def _without_managers(metadata: Metadata) -> Metadata:
    """Leave out the list of who wrote which field: the server keeps its own."""
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _written(moment: datetime | None) -> str | None:
    """Write a time as Lease wants it: microseconds, always."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
