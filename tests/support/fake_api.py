"""An API server in memory, as far as the reconciler asks one, and the informer's copy that follows it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

from profile_image_sync import names
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.loop import selections
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiConflict, ApiError
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.kube.store import ObjectStore

CREATED = datetime(2026, 5, 4, 11, 0, tzinfo=UTC)


class FakeApi:
    """Objects by reference. Every request is remembered as "verb Kind name"."""

    def __init__(self) -> None:
        """Start empty."""
        self.objects: dict[ObjectRef, Body] = {}
        self.requests: list[str] = []
        self.refusals: dict[str, ApiError] = {}  # by the beginning of a request
        self.store = ObjectStore(names.SYNC_LABEL)
        self.late: list[Callable[[], object]] | None = (
            None  # what a watch that lags has not shown yet
        )
        self._selections = selections("")
        self._versions = itertools.count(1)
        for selection in self._selections:
            self.store.replace(selection, [], 0)

    @property
    def client(self) -> ApiClient:
        """Return this in place of a client."""
        return cast("ApiClient", self)

    @property
    def writes(self) -> list[str]:
        """Return the requests that were not reads."""
        return [each for each in self.requests if not each.startswith(("get", "list"))]

    def put(self, body: Body) -> Body:
        """Have an object there, made or changed by somebody else."""
        ref = ObjectRef.of(body)
        known = self.objects.get(ref, {"metadata": {"uid": f"uid-{ref.kind}-{ref.name}"}})
        number = next(self._versions)
        made = (CREATED + timedelta(seconds=number)).isoformat()
        defaults = {"creationTimestamp": made, "generation": 1, **known["metadata"]}
        kept = {key: defaults[key] for key in ("uid", "creationTimestamp", "generation")}
        version = {"resourceVersion": str(number)}
        stored = copy.deepcopy(body) | {"metadata": {**kept, **body["metadata"], **version}}
        self.objects[ref] = stored
        for selection in self._selections:
            if selection.matches(stored):
                self._show(partial(self.store.put, selection, copy.deepcopy(stored)))
        return copy.deepcopy(stored)

    def remove(self, ref: ObjectRef) -> None:
        """Have an object gone."""
        body = self.objects.pop(ref)
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        for selection in self._selections:
            if selection.matches(body):
                self._show(partial(self.store.remove, selection, body))

    def catch_up(self) -> None:
        """Have the watch show what it has not shown yet, and lag no more."""
        late, self.late = self.late or [], None
        for show in late:
            show()

    def get(self, ref: ObjectRef) -> Body | None:
        """Return the object."""
        self._ask("get", ref)
        return copy.deepcopy(self.objects.get(ref))

    def get_metadata(self, ref: ObjectRef) -> Body | None:
        """Return its metadata."""
        found = self.get(ref)
        return {k: found[k] for k in ("apiVersion", "kind", "metadata")} if found else None

    def list(self, ref: ObjectRef, labels: str = "", **_: Any) -> Iterator[Body]:
        """Yield the objects of a kind with these labels."""
        self._ask("list", ref)
        wanted = dict(each.split("=") for each in labels.split(",") if each)
        for body in [*self.objects.values()]:
            found = body["metadata"].get("labels", {})
            if body["kind"] == ref.kind and wanted.items() <= found.items():
                yield copy.deepcopy(body)

    def create(self, body: Body) -> Body:
        """Make an object."""
        ref = ObjectRef.of(body)
        self._ask("create", ref)
        if ref in self.objects:
            raise ApiConflict(f"{ref.description} is there")
        return self.put(body)

    def replace(self, body: Body) -> Body:
        """Replace an object that was read."""
        ref = ObjectRef.of(body)
        self._ask("replace", ref)
        self._same_version(ref, body)
        return self.put(body)

    def replace_status(self, body: Body) -> Body:
        """Replace the status of a resource."""
        ref = ObjectRef.of(body)
        self._ask("status", ref)
        self._same_version(ref, body)
        return self.put({**self.objects[ref], "status": body["status"]})

    def patch(self, body: Body) -> Body:
        """Merge into an object."""
        ref = ObjectRef.of(body)
        self._ask("patch", ref)
        return self.put(_merged(self.objects[ref], body))

    def delete(self, ref: ObjectRef) -> bool:
        """Remove an object; tell whether it was there."""
        self._ask("delete", ref)
        there = ref in self.objects
        if there:
            self.remove(ref)
        return there

    def _show(self, change: Callable[[], object]) -> None:
        if self.late is None:
            change()
        else:
            self.late.append(change)

    def _ask(self, verb: str, ref: ObjectRef) -> None:
        request = f"{verb} {ref.kind} {ref.name}".strip()
        self.requests.append(request)
        for beginning, error in self.refusals.items():
            if request.startswith(beginning):
                raise error

    def _same_version(self, ref: ObjectRef, body: Body) -> None:
        known = self.objects.get(ref)
        version = body["metadata"].get("resourceVersion")
        if known is None or known["metadata"]["resourceVersion"] != version:
            raise ApiConflict(f"{ref.description} has changed")


def _merged(live: Any, patch: Any) -> Any:
    if not isinstance(live, dict) or not isinstance(patch, dict):
        return patch
    merged = {key: _merged(live.get(key), value) for key, value in patch.items()}
    return {key: value for key, value in (live | merged).items() if value is not None}
