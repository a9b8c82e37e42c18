"""Keeps every resource in line: turns changes of resources and children into calls of the reconciler.

An informer follows our resources and their children by label. Everything is looked at again now and then,
from the informer's copy: that costs no request, and mends what an error left behind.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol

import structlog

from profile_image_sync import names
from profile_image_sync.controller.bodies import Body, annotations_of
from profile_image_sync.controller.queue import Key, WorkQueue
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiError
from profile_image_sync.kube.informer import Informer
from profile_image_sync.kube.store import Change, ObjectStore, Selection

WORKERS = 8  # threads: reconciling waits for the API server most of the time
TURN_SECONDS = 5.0  # how often idle threads look up
SETTLING_SECONDS = 0.2  # after a child changed: a Job and its pod change several times in a row
UNSYNCED_SECONDS = 1.0  # how long a resource waits whose namespace has not been listed yet
STALE_SECONDS = 120.0  # without a turn: the process is stuck
BLIND_SECONDS = (
    180.0  # without a working watch in any namespace: credentials have expired, or worse
)

_MANAGED = ((names.MANAGED_BY_LABEL, names.PRODUCT),)
_WAKING_ANNOTATIONS = (names.RUN_REQUEST_ANNOTATION, names.ACKNOWLEDGE_ANNOTATION)

log = structlog.get_logger()


class Reconcile(Protocol):
    """What is called for each resource."""

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Bring it into line; return when to look again."""


def selections(namespace: str) -> list[Selection]:
    """Return what is followed; "": in all namespaces. Secrets never are: to list them is to read them.

    Of Leases and of the state only the metadata: both are written often, and their content is a worker's.
    """
    state = (*_MANAGED, (names.COMPONENT_LABEL, "state"))
    report = (*_MANAGED, (names.COMPONENT_LABEL, "report"))
    whole = ("Job", "Pod", "CronJob", "ServiceAccount", "Role", "RoleBinding")
    return [
        Selection(names.KIND, namespace),
        Selection("ConfigMap", namespace, report),
        Selection("ConfigMap", namespace, state, metadata_only=True),
        Selection("Lease", namespace, _MANAGED, metadata_only=True),
        *(Selection(kind, namespace, _MANAGED) for kind in whole),
    ]


class Loop:
    """The operator's threads."""

    def __init__(
        self,
        client: ApiClient,
        make_reconciler: Callable[[ObjectStore], Reconcile],
        *,
        resync_seconds: float,
        namespaces: tuple[str, ...],
        leads: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        """Take a client and who reconciles; `namespaces` empty: everywhere; `leads`: this replica works."""
        self._namespaces = namespaces or ("",)
        wanted = [each for namespace in self._namespaces for each in selections(namespace)]
        self._informer = Informer(client, wanted, label=names.SYNC_LABEL, on_change=self._changed)
        self.store = self._informer.store
        self._reconciler = make_reconciler(self.store)
        self.measure: Callable[[], AbstractContextManager[None]] = nullcontext  # around a reconcile
        self._resync_seconds = resync_seconds
        self._leads = leads
        self._now = now
        self._queue = WorkQueue(time.monotonic)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._heartbeat = time.monotonic()

    def start(self) -> None:
        """Start all threads; they end with the process."""
        self._informer.start()
        for target in (self._resync, *[self._work] * WORKERS):
            thread = threading.Thread(target=target, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Let no thread begin another turn."""
        self._stop.set()
        self._informer.stop()

    def resync(self) -> None:
        """Have every resource looked at."""
        for ref in self.store.refs(names.KIND):
            self._queue.add(Key(ref.namespace, ref.name))

    def problem(self) -> str | None:
        """Return why this process had better be started anew; None: it is well.

        One namespace that forbids us, or is gone, is no reason as long as another one works.
        """
        if time.monotonic() - self._heartbeat > STALE_SECONDS:
            return "no thread has turned for minutes"
        if not all(thread.is_alive() for thread in self._threads):
            return "a thread has ended"
        blind = {
            each.selection.namespace: f"{each.selection.kind}: {each.problem}"
            for each in self._informer.health()
            if (each.failing_seconds or 0.0) > BLIND_SECONDS
        }
        if set(self._namespaces) <= blind.keys():
            return f"nothing can be watched: {next(iter(blind.values()))}"
        return None

    def waiting(self) -> int:
        """Return how many resources are due."""
        return len(self._queue)

    def _changed(self, change: Change) -> None:
        """Have the resource looked at that a change concerns, if it may matter."""
        before = change.before.body if change.before else None
        after = change.after.body if change.after else None
        body = after or before
        if body is None or (
            before and after and _without_version(before) == _without_version(after)
        ):
            return
        namespace, name = change.ref.namespace, change.ref.name
        if change.ref.kind == names.KIND:
            if _wakes(before, after):
                self._queue.add(Key(namespace, name), urgent=True)
        elif resource := body["metadata"].get("labels", {}).get(names.SYNC_LABEL):
            self._queue.add(Key(namespace, resource), SETTLING_SECONDS)
        elif before:  # somebody changed the tokens of a Secret, which several resources may share
            # (made, they concern nobody: else each new resource would wake all of its namespace)
            for ref in self.store.refs(names.KIND, namespace):
                self._queue.add(Key(ref.namespace, ref.name))

    def _work(self) -> None:
        while not self._stop.is_set():
            self._heartbeat = time.monotonic()
            if not self._leads():
                self._stop.wait(UNSYNCED_SECONDS)
            elif key := self._queue.take(TURN_SECONDS):
                self._queue.done(key, failed=not self._reconciled(key))

    def _reconciled(self, key: Key) -> bool:
        if not self._informer.synced(key.namespace):
            self._queue.add(key, UNSYNCED_SECONDS)
            return True
        try:
            with self.measure():
                again = self._reconciler.reconcile(key.namespace, key.name)
        except ApiError as error:
            log.warning("to be tried again", resource="/".join(key), problem=str(error))
            return False
        except Exception as error:  # noqa: BLE001  # one resource's surprise must not stop the others
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind, where = type(error).__name__, f"{place.filename}:{place.lineno}"
            log.error("a bug: please report", resource="/".join(key), error=kind, at=where)  # noqa: TRY400
            return False
        if again:
            self._queue.add(key, max((again - self._now()).total_seconds(), 0.0))
        return True

    def _resync(self) -> None:
        """Look at everything now and then, also without being told."""
        while not self._stop.wait(self._resync_seconds):
            self.resync()


def _without_version(body: Body) -> Body:
    metadata = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
    return body | {"metadata": metadata}


def _wakes(before: Body | None, after: Body | None) -> bool:
    """Tell whether a resource's change concerns us: GitOps' labels and our own status do not."""
    if before is None or after is None:
        return True
    return _concern(before) != _concern(after)


def _concern(body: Body) -> tuple[object, ...]:
    meta, told = body["metadata"], annotations_of(body)
    requested = [told.get(name) for name in _WAKING_ANNOTATIONS]
    return (meta["uid"], meta["generation"], meta.get("deletionTimestamp"), *requested)
