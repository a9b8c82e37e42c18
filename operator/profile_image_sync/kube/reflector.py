"""Keeps one selection of the store up to date, whatever the API server does.

LIST, then WATCH from the version listed, again and again; a watch that ended or fell silent goes on where
it was. A version that has expired, or two failures in a row, make a new LIST. Apart from the informer
because what goes wrong with a watch is decided here, for one watch alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiError, ApiExpired
from profile_image_sync.kube.responses import unavailable
from profile_image_sync.kube.store import Change, ObjectStore, Selection
from profile_image_sync.kube.watch import WatchEvent, WatchStream

FIRST_RETRY_SECONDS = 0.5  # after a failure; doubled by each further one
LAST_RETRY_SECONDS = 30.0
SHORT_SECONDS = 1.0  # of a watch without an event: a proxy, perhaps, that ends it at once

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WatchHealth:
    """How one watch is."""

    selection: Selection
    synced: bool  # listed at least once
    heard_seconds: float | None  # since the last answer, event or bookmark; None: never heard
    failing_seconds: float | None  # since the first of the failures at hand; None: all is well
    problem: str  # the last failure


class Reflector:
    """One selection; `run` is a thread of its own."""

    def __init__(
        self,
        client: ApiClient,
        store: ObjectStore,
        selection: Selection,
        *,
        on_change: Callable[[Change], None],
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        """Take a monotonic clock in seconds, and `jitter`, which returns numbers from 0 to 1."""
        self.selection = selection
        self._client = client
        self._store = store
        self._on_change = on_change
        self._clock = clock
        self._jitter = jitter
        self._stop = threading.Event()
        self._stream: WatchStream | None = None  # the watch at hand; or the one that just ended
        self._heard: float | None = None
        self._failures = 0
        self._failing_since: float | None = None
        self._problem = ""

    def run(self) -> None:
        """List and watch until told to stop."""
        version: int | None = None
        while not self._stop.is_set():
            try:
                if version is None:
                    self._list()
                self._watch()
                version = self._store.version(self.selection)
            except ApiError as error:
                if self._stop.is_set():
                    return
                self._failed(str(error))
                lost = isinstance(error, ApiExpired) or self._failures > 1
                version = None if lost else self._store.version(self.selection)
            except Exception as error:  # noqa: BLE001  # one watch's surprise must not stop it for ever
                self._failed(f"a bug, please report: {type(error).__name__}")
                version = None

    def stop(self) -> None:
        """End `run`, also amid a watch."""
        self._stop.set()
        if stream := self._stream:
            stream.shut_down()

    def health(self) -> WatchHealth:
        """Return how this watch is."""
        now, heard, failing = self._clock(), self._heard, self._failing_since
        return WatchHealth(
            selection=self.selection,
            synced=self._store.version(self.selection) is not None,
            heard_seconds=None if heard is None else now - heard,
            failing_seconds=None if failing is None else now - failing,
            problem=self._problem,
        )

    def _list(self) -> None:
        found, version = self._client.list_all(
            self.selection.ref,
            self.selection.selector,
            metadata_only=self.selection.metadata_only,
            keep=partial(self._store.pack, self.selection),
        )
        self._notify(self._store.replace(self.selection, found, version))
        self._heard = self._clock()

    def _watch(self) -> None:
        """Follow until the server ends it. Raises ApiUnavailable for one that ended at once."""
        began, alive = self._clock(), False
        with self._client.watch(
            self.selection.ref,
            self.selection.selector,
            version=self._store.version(self.selection),
            metadata_only=self.selection.metadata_only,
        ) as stream:
            self._stream = stream
            self._connected()
            for event in stream:
                if self._stop.is_set():
                    return
                self._heard, self._failures, alive = self._clock(), 0, True
                self._take(event)
        if not alive and self._clock() - began < SHORT_SECONDS:
            raise unavailable(self.selection.ref, "ends a watch at once")
        self._failures = 0

    def _take(self, event: WatchEvent) -> None:
        match event.type:
            case "BOOKMARK":
                version = int(event.body["metadata"]["resourceVersion"])
                self._store.advance(self.selection, version)
            case "DELETED":
                self._notify(self._store.remove(self.selection, event.body))
            case _:
                self._notify(self._store.put(self.selection, event.body))

    def _notify(self, changes: list[Change]) -> None:
        for each in changes:
            self._on_change(each)

    def _connected(self) -> None:
        self._heard = self._clock()
        if self._failing_since is not None:
            log.info("watched again", object=self.selection.ref.description)
        self._failing_since, self._problem = None, ""

    def _failed(self, problem: str) -> None:
        """Remember it, log it once, and wait; longer after each failure."""
        if problem != self._problem:
            log.warning("not watched", object=self.selection.ref.description, problem=problem)
        self._failing_since = self._failing_since or self._clock()
        self._problem = problem
        pause = min(FIRST_RETRY_SECONDS * 2**self._failures, LAST_RETRY_SECONDS)
        self._failures += 1
        self._stop.wait(pause * (1 + self._jitter()) / 2)
