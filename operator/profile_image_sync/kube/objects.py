"""The objects that are read and replaced as a whole, and how they look as JSON of the API server. Pure.

What others put into the metadata (labels, owners, the version) is handed back as it was read. Neither
values nor metadata show in a repr: they may hold secrets.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from profile_image_sync.kube.resources import Body, ObjectRef

Metadata = Mapping[str, Any]  # as the API server gave it, to be handed back; nobody looks inside


@dataclass(frozen=True, slots=True)
class DataObject:
    """A ConfigMap or a Secret. Replacing it needs the one that was read, for its version."""

    ref: ObjectRef
    text: Mapping[str, str] = field(default_factory=dict, repr=False)  # of ConfigMaps only
    binary: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    metadata: Metadata = field(default_factory=dict, repr=False)

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read what the API server answered."""
        data, binary = body.get("data") or {}, body.get("binaryData") or {}
        if body["kind"] == "Secret":
            data, binary = {}, data
        return cls(
            ref=ObjectRef.of(body),
            text=data,
            binary={key: b64decode(value) for key, value in binary.items()},
            metadata=_without_managers(body["metadata"]),
        )

    def body(self) -> Body:
        """Return what the API server takes."""
        binary = {key: b64encode(value).decode() for key, value in self.binary.items()}
        values: Body = {"data": binary}
        if self.ref.kind != "Secret":
            values = {"data": dict(self.text), "binaryData": binary}
        return _head(self.ref, self.metadata) | values


@dataclass(frozen=True, slots=True)
class LeaseObject:
    """Who holds what the Lease stands for."""

    ref: ObjectRef
    holder: str  # "": nobody
    duration_seconds: int
    acquired: datetime | None
    renewed: datetime | None
    transitions: int
    metadata: Metadata = field(default_factory=dict, repr=False)

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read what the API server answered."""
        spec = body.get("spec") or {}
        return cls(
            ref=ObjectRef.of(body),
            holder=spec.get("holderIdentity") or "",
            duration_seconds=spec.get("leaseDurationSeconds") or 0,
            acquired=_parsed(spec.get("acquireTime")),
            renewed=_parsed(spec.get("renewTime")),
            transitions=spec.get("leaseTransitions") or 0,
            metadata=_without_managers(body["metadata"]),
        )

    def body(self) -> Body:
        """Return what the API server takes."""
        spec = {
            "holderIdentity": self.holder or None,
            "leaseDurationSeconds": self.duration_seconds or None,
            "acquireTime": _formatted(self.acquired),
            "renewTime": _formatted(self.renewed),
            "leaseTransitions": self.transitions,
        }
        return _head(self.ref, self.metadata) | {"spec": spec}


def _head(ref: ObjectRef, metadata: Metadata) -> Body:
    where = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {**metadata, **where}}


def _without_managers(metadata: Metadata) -> Metadata:
    """Leave out the list of who wrote which field: the server keeps its own."""
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _parsed(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _formatted(moment: datetime | None) -> str | None:
    """Write a time as MicroTime wants it: microseconds, always."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
