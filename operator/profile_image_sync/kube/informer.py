"""Objects of the API server as a local copy that follows them: LIST once, then WATCH.

A reconcile reads the copy and asks the server nothing. Wiring: one `Selection` for each kind (and label)
and namespace; a thread for each keeps its part of `store` up to date. A namespace that forbids us, or is
gone, only leaves its own selections unsynced. Secrets are never selected: to list them is to read them all.

    informer = Informer(client, selections, label=names.SYNC_LABEL, on_change=changed)
    informer.start()
    informer.synced("tenant-acme")      # True once everything of that namespace has been listed
    informer.store.get(ref), .labelled(namespace, name), .refs(kind)
    informer.store.take_written(body)   # what create/apply/replace returned, until the watch shows it
    informer.health()                   # for each selection: when last heard of, since when failing, why
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable

from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.reflector import Reflector, WatchHealth
from profile_image_sync.kube.store import Change, ObjectStore, Selection


class Informer:
    """The copy, and the threads that keep it."""

    def __init__(
        self,
        client: ApiClient,
        selections: Iterable[Selection],
        *,
        label: str,
        on_change: Callable[[Change], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what to select, the label to index by, and who is told of changes (by any thread)."""
        self.store = ObjectStore(label)
        self._reflectors = [
            Reflector(
                client, self.store, each, on_change=on_change, clock=clock, jitter=random.random
            )
            for each in selections
        ]

    def start(self) -> None:
        """Start all threads."""
        for each in self._reflectors:
            threading.Thread(target=each.run, name=each.selection.ref.path, daemon=True).start()

    def stop(self) -> None:
        """Let all threads end now."""
        for each in self._reflectors:
            each.stop()

    def synced(self, namespace: str) -> bool:
        """Tell whether everything that is selected in this namespace has been listed."""
        return all(
            self.store.version(each.selection) is not None
            for each in self._reflectors
            if each.selection.namespace in ("", namespace)
        )

    def health(self) -> list[WatchHealth]:
        """Return how each watch is."""
        return [each.health() for each in self._reflectors]
