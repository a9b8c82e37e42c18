"""Keeps every resource in line: turns changes of resources and children into calls of the reconciler.

Children are watched by label with the official client (kopf would stream every Job of the cluster);
everything is looked at again now and then, since a watch may fall silent.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime

import structlog

from profile_image_sync import names
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.queue import Key, WorkQueue
from profile_image_sync.controller.reconcile import Reconciler
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiError
from profile_image_sync.kube.resources import ObjectRef

WORKERS = 4  # threads: reconciling waits for the API server most of the time
TURN_SECONDS = 5.0  # how often idle threads look up
RETRY_SECONDS = 5.0  # after a watch or a listing failed
STALE_SECONDS = 120.0  # without a turn: the process is stuck

OURS = f"{names.MANAGED_BY_LABEL}={names.PRODUCT}"
WATCHED = (
    ("Job", OURS),
    ("CronJob", OURS),
    ("ConfigMap", f"{OURS},{names.COMPONENT_LABEL}=report"),
)

log = structlog.get_logger()


class Loop:
    """The operator's threads."""

    def __init__(
        self,
        client: ApiClient,
        reconciler: Reconciler,
        *,
        resync_seconds: float,
        namespaces: tuple[str, ...],
        now: Callable[[], datetime],
    ) -> None:
        """Take a client and the reconciler; `namespaces` empty: everywhere."""
        self._client = client
        self._reconciler = reconciler
        self._resync_seconds = resync_seconds
        self._namespaces = namespaces or ("",)
        self._now = now
        self._queue = WorkQueue(time.monotonic)
        self._seen: dict[Key, tuple[object, ...]] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._heartbeat = time.monotonic()

    def start(self) -> None:
        """Start all threads; they end with the process."""
        self._spawn(self._resync)
        for _ in range(WORKERS):
            self._spawn(self._work)
        for namespace in self._namespaces:
            for kind, labels in WATCHED:
                self._spawn(self._watch, kind, namespace, labels)

    def stop(self) -> None:
        """Let no thread begin another turn."""
        self._stop.set()

    def resource_changed(self, body: Body) -> None:
        """Have a resource looked at if its spec or our annotation changed; GitOps' labels are no reason."""
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        request = meta.get("annotations", {}).get(names.RUN_REQUEST_ANNOTATION)
        seen = (meta["uid"], meta["generation"], request)
        if self._seen.get(key) != seen:
            self._seen[key] = seen
            self._queue.add(key)

    def is_alive(self) -> bool:
        """Tell whether every thread is there, and one or other still turns."""
        turning = time.monotonic() - self._heartbeat < STALE_SECONDS
        return turning and all(thread.is_alive() for thread in self._threads)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while not self._stop.is_set():
            self._heartbeat = time.monotonic()
            if key := self._queue.take(TURN_SECONDS):
                self._queue.done(key, failed=not self._reconciled(key))

    def _reconciled(self, key: Key) -> bool:
        try:
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
        while not self._stop.is_set():
            wait = self._resync_seconds
            try:
                for namespace in self._namespaces:
                    for body in self._client.list(ObjectRef(names.KIND, namespace)):
                        meta = body["metadata"]
                        self._queue.add(Key(meta["namespace"], meta["name"]))
            except ApiError as error:
                log.warning("resources could not be listed", problem=str(error))
                wait = RETRY_SECONDS
            self._stop.wait(wait)

    def _watch(self, kind: str, namespace: str, labels: str) -> None:
        while not self._stop.is_set():
            try:
                with self._client.watch(ObjectRef(kind, namespace), labels) as events:
                    for event in events:
                        if event.type != "BOOKMARK":
                            self._child_changed(event.body)
            except ApiError as error:
                log.warning("watch broke off", problem=str(error))
                self._stop.wait(RETRY_SECONDS)

    def _child_changed(self, body: Body) -> None:
        meta = body["metadata"]
        if name := meta.get("labels", {}).get(names.SYNC_LABEL):
            self._queue.add(Key(meta["namespace"], name))
