"""Which changes have a resource looked at, with an API server that tells what the test has happen."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Self, cast

import pytest

from profile_image_sync import names
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.loop import Loop
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.kube.watch import WatchEvent
from testkit.waiting import wait_for

NS = "tenants"


def body(kind: str, name: str, version: int, labels: dict[str, str] | None = None) -> Body:
    """Return an object."""
    metadata = {"name": name, "namespace": NS, "uid": name, "resourceVersion": str(version)}
    return {
        "apiVersion": ObjectRef(kind, NS).api_version,
        "kind": kind,
        "metadata": metadata | {"generation": 1, "labels": labels or {}},
    }


class Stream:
    """A watch that goes on until it is shut down."""

    def __init__(self, events: queue.Queue[WatchEvent | None]) -> None:
        self._events = events

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __iter__(self) -> Iterator[WatchEvent]:
        return iter(self._events.get, None)

    def shut_down(self) -> None:
        """End it."""
        self._events.put(None)


class Cluster:
    """Three resources, what happens to their children, and how often each was looked at."""

    def __init__(self) -> None:
        self.leases: queue.Queue[WatchEvent | None] = queue.Queue()
        self.looked: Counter[str] = Counter()

    def list_all(
        self, ref: ObjectRef, *_: Any, keep: Callable[[Body], Any], **__: Any
    ) -> tuple[list[Any], int]:
        """Return the resources; of children there are none yet."""
        found = [body(names.KIND, name, 1) for name in "abc"] if ref.kind == names.KIND else []
        return [keep(each) for each in found], 1

    def watch(self, ref: ObjectRef, *_: Any, **__: Any) -> Stream:
        """Give what happens to Leases; of other kinds nothing does."""
        return Stream(self.leases if ref.kind == "Lease" else queue.Queue())

    def reconcile(self, _namespace: str, name: str) -> datetime | None:
        """Note that it was looked at."""
        self.looked[name] += 1
        return None


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give a cluster whose resources have all been looked at once."""
    made = Cluster()
    loop = Loop(
        cast("ApiClient", made),
        lambda _: made,
        resync_seconds=3600,
        namespaces=(),
        leads=lambda: True,
        now=lambda: datetime.now(UTC),
    )
    loop.start()
    wait_for("all are looked at", lambda: len(made.looked) == 3 and not loop.waiting())
    yield made
    loop.stop()


def token(version: int, **labels: str) -> Body:
    """Return the Lease of a Secret's tokens, which belongs to all resources that name the Secret."""
    return body("Lease", "pisync-token-highq", version, labels)


def of(name: str, version: int) -> Body:
    """Return the Lease of one resource."""
    return body("Lease", f"pisync-{name}", version, {names.SYNC_LABEL: name})


def test_what_a_new_resource_makes_wakes_none_of_its_neighbours(cluster: Cluster) -> None:
    """In a namespace with many, each create would else have all of them looked at."""
    before = cluster.looked.copy()
    cluster.leases.put(WatchEvent("ADDED", token(2)))
    cluster.leases.put(WatchEvent("ADDED", of("a", 3)))
    wait_for("its own is looked at", lambda: cluster.looked["a"] > before["a"])
    assert cluster.looked - before == Counter("a")


def test_shared_tokens_that_somebody_changed_concern_all(cluster: Cluster) -> None:
    """Each of them may be the one that repairs them."""
    cluster.leases.put(WatchEvent("ADDED", token(2)))
    before = cluster.looked.copy()
    cluster.leases.put(WatchEvent("MODIFIED", token(3, team="x")))
    wait_for("all are looked at", lambda: len(cluster.looked - before) == 3)


def test_a_renewed_lease_concerns_nobody(cluster: Cluster) -> None:
    """A run renews its Lease every ten seconds: only the version is another."""
    cluster.leases.put(WatchEvent("ADDED", of("b", 2)))
    wait_for("it is looked at", lambda: cluster.looked["b"] > 1)
    before = cluster.looked.copy()
    cluster.leases.put(WatchEvent("MODIFIED", of("b", 3)))
    cluster.leases.put(WatchEvent("ADDED", of("c", 4)))
    wait_for("what came later is looked at", lambda: cluster.looked["c"] > before["c"])
    assert cluster.looked - before == Counter("c")
