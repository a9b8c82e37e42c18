"""What is to be looked at, and when: each resource at most once at a time. No Kubernetes here."""

from __future__ import annotations

import heapq
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
        self._heap: list[tuple[float, Key]] = []
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Have this resource looked at in `delay` seconds; an earlier time that is set stays."""
        at = self._clock() + delay
        with self._changed:
            if at < self._due.get(key, float("inf")):
                self._due[key] = at
                heapq.heappush(self._heap, (at, key))
                self._changed.notify()

    def take(self, timeout: float) -> Key | None:
        """Wait for a key that is due and that nobody works on; None after `timeout` seconds."""
        deadline = self._clock() + timeout
        with self._changed:
            while True:
                key, wait = self._next()
                if key:
                    self._busy.add(key)
                    return key
                left = deadline - self._clock()
                if left <= 0:
                    return None
                self._changed.wait(min(left, wait))

    def done(self, key: Key, *, failed: bool = False) -> None:
        """Give the key back; after a failure it comes again, later each time."""
        with self._changed:
            self._busy.discard(key)
            failures = self._failures.get(key, 0) + 1 if failed else 0
            self._failures[key] = failures
            if not failures:
                del self._failures[key]
            self._changed.notify()
        if failures:
            self.add(key, min(FIRST_RETRY * 2 ** (failures - 1), LONGEST_RETRY))

    def _next(self) -> tuple[Key | None, float]:
        """Return a key to hand out, or how long to wait for one."""
        now, held = self._clock(), []
        found: Key | None = None
        while self._heap and self._heap[0][0] <= now and found is None:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) != at:
                continue  # an earlier time took its place
            if key in self._busy:
                held.append((at, key))
                continue
            del self._due[key]
            found = key
        for entry in held:
            heapq.heappush(self._heap, entry)
        wait = self._heap[0][0] - now if self._heap and not held else 60.0
        return found, max(wait, 0.01)
