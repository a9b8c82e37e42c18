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
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.conflicts import read, update_on_conflict
from profile_image_sync.kube.lease import Lease
from profile_image_sync.kube.objects import DataObject
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.worker.shards import decode_shard


@dataclass(frozen=True, slots=True)
class _CachedVersion:
    """One object as this run last read or wrote it; its bytes are not kept."""

    stored: DataObject | None  # without values; None: there was none
    digest: bytes


class ConfigMapStore:
    """A `StateStore`. Only for who holds the Lease; used by one thread at a time."""

    def __init__(
        self,
        client: ApiClient,
        *,
        namespace: str,
        resource: str,
        state_id: UUID,
        lease: Lease,
        owner_uid: str = "",
    ) -> None:
        """Name the resource, its state and the Lease; nothing is called yet.

        With `owner_uid`, the resource's, new shards go when the resource goes.
        """
        self._client = client
        self._namespace = namespace
        self._resource = resource
        self._state_id = state_id
        self._lease = lease
        self._owner_uid = owner_uid
        self._cached_versions: dict[str, _CachedVersion] = {}

    @property
    def where(self) -> str:
        """The objects, for messages."""
        return f"ConfigMaps {names.state(self._resource)}* in namespace {self._namespace}"

    def read_header(self) -> bytes | None:
        """Return the header; None: there is none."""
        return self._read(names.state(self._resource))

    def read_shard(self, index: int) -> bytes | None:
        """Return this shard; None: there is none. Raises StateMismatch when it is no shard at all."""
        return self._read(names.shard(self._resource, index))

    def write_header(self, data: bytes) -> None:
        """Replace the header."""
        ref = self._ref(names.state(self._resource))
        self._write(DataObject(ref, text={names.HEADER_KEY: data.decode()}))

    def write_shard(self, index: int, data: bytes) -> None:
        """Replace this shard, or make it. Raises StateMismatch when it is no shard of our state."""
        name = names.shard(self._resource, index)
        if name not in self._cached_versions:  # beyond the header: left by a killed run, or foreign
            there = self.read_shard(index)
            if there is not None:
                decode_shard(there, state=self._state_id, index=index, where=self.where)
        self._write(DataObject(self._ref(name), binary={names.SHARD_KEY: data}))

    def _ref(self, name: str) -> ObjectRef:
        return ObjectRef("ConfigMap", self._namespace, name)

    def _read(self, name: str) -> bytes | None:
        found = read(self._client, self._ref(name))
        if found is None:
            self._cached_versions[name] = _CachedVersion(None, b"")
            return None
        content = _content(found)
        if content is None:
            raise StateMismatch(
                f"{found.ref.description} holds no state, but has the name of one: "
                "remove it, or give this resource another name"
            )
        self._remember(found)
        return content

    def _write(self, wanted: DataObject) -> None:
        """Write once what was read before, or made by this run; nothing of others is overwritten."""
        self._lease.require()
        cached = self._cached_versions[wanted.ref.name]

        def change(found: DataObject | None) -> DataObject:
            if found is cached.stored:
                return self._next_version(wanted, found)
            self._lease.confirm()
            if found and _content(found) == _content(wanted):  # ours: its answer was lost
                return found
            if found and cached.stored and _digest(_content(found)) == cached.digest:
                return self._next_version(wanted, found)  # a label or so was touched
            raise StateUnavailable(
                f"{wanted.ref.description} was written or removed by someone else during this run, "
                "nothing of theirs was overwritten: see who does, the next run reads it anew"
            )

        stored = update_on_conflict(self._client, wanted.ref, change, cached=cached.stored)
        self._remember(stored)

    def _next_version(self, wanted: DataObject, stored: DataObject | None) -> DataObject:
        if stored is None:
            labels = names.labels(self._resource, "state")
            owners = [names.owner(self._resource, self._owner_uid)] if self._owner_uid else []
            return replace(wanted, metadata={"labels": labels, "ownerReferences": owners})
        return replace(wanted, metadata=stored.metadata)

    def _remember(self, stored: DataObject) -> None:
        bare = replace(stored, text={}, binary={})
        self._cached_versions[stored.ref.name] = _CachedVersion(bare, _digest(_content(stored)))


def _content(stored: DataObject) -> bytes | None:
    """Return what the object is for: a header's text, or a shard."""
    header = stored.text.get(names.HEADER_KEY)
    return header.encode() if header is not None else stored.binary.get(names.SHARD_KEY)


def _digest(content: bytes | None) -> bytes:
    return hashlib.sha256(content or b"").digest()
