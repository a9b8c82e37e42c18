"""A copy of objects of the API server, kept by an informer and read by many threads. No I/O.

Bodies are kept packed, so that a thousand resources with all their children cost some megabytes. Versions
are compared as numbers (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from profile_image_sync.kube.resources import Body, ObjectRef


@dataclass(frozen=True, slots=True)
class Selection:
    """Objects that are watched together: a kind, in one namespace ("": in all), with these labels."""

    kind: str
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    metadata_only: bool = False  # the bodies are neither asked for nor kept

    @property
    def selector(self) -> str:
        """The labels as the API server wants them."""
        return ",".join(f"{name}={value}" for name, value in self.labels)

    @property
    def ref(self) -> ObjectRef:
        """The collection that is listed and watched."""
        return ObjectRef(self.kind, self.namespace)

    def matches(self, body: Body) -> bool:
        """Tell whether this object belongs here."""
        labels = body["metadata"].get("labels") or {}
        return (
            body["kind"] == self.kind
            and self.namespace in ("", body["metadata"]["namespace"])
            and all(labels.get(name) == value for name, value in self.labels)
        )


@dataclass(frozen=True, slots=True)
class CachedObject:
    """One object as the API server last showed it."""

    selection: Selection
    ref: ObjectRef
    version: int
    label: str  # the value of the label that the store indexes
    packed: bytes

    @property
    def body(self) -> Body:
        """The object; of a selection with metadata only, that."""
        unpacked: Body = json.loads(zlib.decompress(self.packed))
        return unpacked


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object: made (no `before`), removed (no `after`), or changed."""

    before: CachedObject | None
    after: CachedObject | None

    @property
    def ref(self) -> ObjectRef:
        """The object."""
        found = self.after or self.before
        assert found  # noqa: S101  # one of them is there
        return found.ref


class ObjectStore:
    """Objects by name, by kind, and by the value of one label. Used by several threads."""

    def __init__(self, label: str) -> None:
        """Start empty; `label` is the name of the label to find objects by."""
        self._label = label
        self._lock = threading.Lock()
        self._objects: dict[ObjectRef, CachedObject] = {}
        self._index: dict[tuple[str, str], set[ObjectRef]] = {}  # (namespace, label) or ("", kind)
        self._versions: dict[Selection, int] = {}  # up to which the watch has delivered

    def get(self, ref: ObjectRef) -> Body | None:
        """Return the object; None: there is none, or it is not watched."""
        with self._lock:
            found = self._objects.get(ref)
        return found.body if found else None

    def __contains__(self, ref: ObjectRef) -> bool:
        with self._lock:
            return ref in self._objects

    def labelled(self, namespace: str, value: str) -> list[Body]:
        """Return the objects of a namespace whose label has this value."""
        with self._lock:
            found = [self._objects[ref] for ref in self._index.get((namespace, value), ())]
        return [each.body for each in found]

    def refs(self, kind: str, namespace: str = "") -> list[ObjectRef]:
        """Return all objects of a kind, in one namespace or in all, without their bodies."""
        with self._lock:
            found = [*self._index.get(("", kind), ())]
        return [ref for ref in found if namespace in ("", ref.namespace)]

    def version(self, selection: Selection) -> int | None:
        """Return the version up to which a selection is known; None: it was never listed."""
        with self._lock:
            return self._versions.get(selection)

    def replace(
        self, selection: Selection, found: Iterable[CachedObject], version: int
    ) -> list[Change]:
        """Take a listing of this version; return what is different."""
        listed = {each.ref: each for each in found}
        with self._lock:
            gone = [
                each
                for each in self._objects.values()
                if each.selection == selection
                and each.version <= version
                and each.ref not in listed
            ]
            changes = [change for each in listed.values() for change in self._put(each)]
            changes += [change for each in gone for change in self._remove(each.ref)]
            self._versions[selection] = version
        return changes

    def put(self, selection: Selection, body: Body) -> list[Change]:
        """Take an object as the watch shows it; return what is different."""
        shown = self.pack(selection, body)
        with self._lock:
            self._versions[selection] = shown.version
            return list(self._put(shown))

    def remove(self, selection: Selection, body: Body) -> list[Change]:
        """Take the removal of an object, or that it left the selection; return what is different."""
        ref = ObjectRef.of(body)
        with self._lock:
            self._versions[selection] = int(body["metadata"]["resourceVersion"])
            found = self._objects.get(ref)
            return list(self._remove(ref)) if found and found.selection == selection else []

    def advance(self, selection: Selection, version: int) -> None:
        """Take a bookmark: nothing else happened up to this version."""
        with self._lock:
            self._versions[selection] = version

    def take_written(self, body: Body) -> None:
        """Take what a write of ours returned, so that the next look finds it before the watch shows it.

        What the watch has passed already is left out: it has shown it, and perhaps its removal.
        """
        version = int(body["metadata"]["resourceVersion"])
        with self._lock:
            for selection, known in self._versions.items():
                if selection.matches(body) and version > known:
                    list(self._put(self.pack(selection, body)))

    def pack(self, selection: Selection, body: Body) -> CachedObject:
        """Return an object as it is kept."""
        metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
        kept = {"apiVersion": body["apiVersion"], "kind": body["kind"]}
        kept |= {} if selection.metadata_only else body
        return CachedObject(
            selection=selection,
            ref=ObjectRef.of(body),
            version=int(metadata["resourceVersion"]),
            label=(metadata.get("labels") or {}).get(self._label, ""),
            packed=zlib.compress(json.dumps(kept | {"metadata": metadata}).encode(), 1),
        )

    def _put(self, shown: CachedObject) -> Iterator[Change]:
        before = self._objects.get(shown.ref)
        if before and before.version >= shown.version and before.selection == shown.selection:
            return
        if before:
            self._unindex(before)
        self._objects[shown.ref] = shown
        for key in _keys(shown):
            self._index.setdefault(key, set()).add(shown.ref)
        yield Change(before, shown)

    def _remove(self, ref: ObjectRef) -> Iterator[Change]:
        before = self._objects.pop(ref)
        self._unindex(before)
        yield Change(before, None)

    def _unindex(self, gone: CachedObject) -> None:
        for key in _keys(gone):
            self._index[key].discard(gone.ref)
            if not self._index[key]:
                del self._index[key]


def _keys(cached: CachedObject) -> list[tuple[str, str]]:
    labelled = [(cached.ref.namespace, cached.label)] if cached.label else []
    return [*labelled, ("", cached.ref.kind)]
