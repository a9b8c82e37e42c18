"""The state in ConfigMaps: the header in one, each shard in one of its own.

Each write names the version that was read, so that two writers never overwrite each other. Knows
nothing of people, nor of the order of writing (ledger).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from uuid import UUID

from profile_image_sync import names
from profile_image_sync.errors import StateMismatch, StateUnavailable
from profile_image_sync.pod.client import Cluster, ConflictError
from profile_image_sync.pod.lease import Lease
from profile_image_sync.pod.objects import Kind, Record
from profile_image_sync.worker.shards import decode_shard

TRIES = 5  # of one write, while others touch the object's metadata


@dataclass(frozen=True, slots=True)
class _Known:
    """One object as this run last read or wrote it; its bytes are not kept."""

    record: Record | None  # without values; None: there was none
    digest: bytes


class ConfigMapStore:
    """A `StateStore`. Only for who holds the Lease; used by one thread at a time."""

    def __init__(self, cluster: Cluster, resource: str, state_id: UUID, lease: Lease) -> None:
        """Name the resource, its state and the Lease; nothing is called yet."""
        self._cluster = cluster
        self._resource = resource
        self._state_id = state_id
        self._lease = lease
        self._known: dict[str, _Known] = {}

    @property
    def where(self) -> str:
        """The objects, for messages."""
        return f"ConfigMaps {names.state(self._resource)}* in namespace {self._cluster.namespace}"

    def read_header(self) -> bytes | None:
        """Return the header; None: there is none."""
        return self._read(names.state(self._resource))

    def read_shard(self, index: int) -> bytes | None:
        """Return this shard; None: there is none. Raises StateMismatch when it is no shard at all."""
        return self._read(names.shard(self._resource, index))

    def write_header(self, data: bytes) -> None:
        """Replace the header."""
        name = names.state(self._resource)
        self._write(Record(Kind.CONFIG_MAP, name, text={names.HEADER_KEY: data.decode()}))

    def write_shard(self, index: int, data: bytes) -> None:
        """Replace this shard, or make it. Raises StateMismatch when it is no shard of our state."""
        name = names.shard(self._resource, index)
        if name not in self._known:  # beyond the header: a killed run has left it, or a stranger
            there = self.read_shard(index)
            if there is not None:
                decode_shard(there, state=self._state_id, index=index, where=self.where)
        self._write(Record(Kind.CONFIG_MAP, name, binary={names.SHARD_KEY: data}))

    def _read(self, name: str) -> bytes | None:
        record = self._cluster.read(Kind.CONFIG_MAP, name)
        if record is None:
            self._known[name] = _Known(None, b"")
            return None
        content = _content(record)
        if content is None:
            raise StateMismatch(
                f"{self._cluster.place(Kind.CONFIG_MAP, name)} holds no state, but has the name of one: "
                "remove it, or give this resource another name"
            )
        self._remember(record)
        return content

    def _write(self, wanted: Record) -> None:
        """Write once what was read before, or made by this run; nothing of others is overwritten."""
        self._lease.require()
        known = self._known[wanted.name]
        for _ in range(TRIES):
            try:
                return self._remember(self._put(wanted, known.record))
            except ConflictError:
                self._lease.confirm()
            found = self._cluster.read(Kind.CONFIG_MAP, wanted.name)
            content = _content(found) if found else None
            if found and content == _content(wanted):  # ours: its answer was lost
                return self._remember(found)
            if not (found and known.record and _digest(content) == known.digest):
                break
            known = _Known(found, known.digest)  # a label or so was touched
        raise StateUnavailable(
            f"{self._cluster.place(Kind.CONFIG_MAP, wanted.name)} was written or removed by someone else "
            "during this run, nothing of theirs was overwritten: see who does, the next run reads it anew"
        )

    def _put(self, wanted: Record, there: Record | None) -> Record:
        if there is None:
            labels = names.labels(self._resource, "state")  # no owner: state outlives the resource
            return self._cluster.create(replace(wanted, metadata={"labels": labels}))
        return self._cluster.replace(replace(wanted, metadata=there.metadata))

    def _remember(self, record: Record) -> None:
        bare = replace(record, text={}, binary={})
        self._known[record.name] = _Known(bare, _digest(_content(record)))


def _content(record: Record) -> bytes | None:
    """Return what the object is for: a header's text, or a shard."""
    header = record.text.get(names.HEADER_KEY)
    return header.encode() if header is not None else record.binary.get(names.SHARD_KEY)


def _digest(content: bytes | None) -> bytes:
    return hashlib.sha256(content or b"").digest()
