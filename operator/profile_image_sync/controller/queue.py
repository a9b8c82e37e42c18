"""What is to be looked at, and when: each resource at most once at a time. No Kubernetes here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

FIRST_RETRY = 1.0  # seconds, after a failure; doubled by each further one
LONGEST_RETRY = 60.0


class Key(NamedTuple):
    """One resource."""

    namespace: str
    name: str


class WorkQueue:
    """Hands keys out when they are due. A key that is added while it is worked on comes again after.

    Used by many threads; `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with nothing to do."""
        self._clock = clock
        self._changed = threading.Condition()
        self._due: dict[Key, float] = {}
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Have this resource looked at in `delay` seconds; an earlier time that is set stays."""
        at = self._clock() + delay
        with self._changed:
            if at < self._due.get(key, float("inf")):
                self._due[key] = at
                self._changed.notify_all()

    def take(self, timeout: float) -> Key | None:
        """Wait for a key that is due and that nobody works on; None after `timeout` seconds."""
        deadline = self._clock() + timeout
        with self._changed:
            while True:
                free = {key: at for key, at in self._due.items() if key not in self._busy}
                key = min(free, key=lambda each: free[each], default=None)
                now = self._clock()
                if key and free[key] <= now:
                    del self._due[key]
                    self._busy.add(key)
                    return key
                if now >= deadline:
                    return None
                self._changed.wait(min(deadline, *free.values()) - now if free else deadline - now)

    def done(self, key: Key, *, failed: bool = False) -> None:
        """Give the key back; after a failure it comes again, later each time."""
        with self._changed:
            self._busy.discard(key)
            failures = self._failures.pop(key, 0) + 1
            if failed:
                self._failures[key] = failures
            self._changed.notify_all()
        if failed:
            self.add(key, min(FIRST_RETRY * 2 ** (failures - 1), LONGEST_RETRY))
