"""What is to be looked at, and when: each resource at most once at a time. No Kubernetes here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import NamedTuple

FIRST_RETRY = 1.0  # seconds, after a failure; doubled by each further one
LONGEST_RETRY = 60.0
STALE_ENTRIES = 1000  # of the heaps, besides one for each key, before they are made anew


class Key(NamedTuple):
    """One resource."""

    namespace: str
    name: str


class _DueTime(NamedTuple):
    """When a key is due. The smallest comes first: what is urgent, then what has been due longest."""

    later: bool  # not urgent
    at: float


class WorkQueue:
    """Hands keys out when they are due. A key that is added while it is worked on comes again after.

    Urgent keys (a changed spec, a request) overtake the rest: a thousand resources that are looked at after a
    restart keep nobody waiting. Used by many threads; `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with nothing to do."""
        self._clock = clock
        self._changed = threading.Condition()
        self._due: dict[Key, _DueTime] = {}
        # What is to come, and what is due by now. An entry that is not the key's time any more says nothing.
        self._coming: list[tuple[float, Key]] = []
        self._ready: list[tuple[_DueTime, Key]] = []
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}

    def add(self, key: Key, delay: float = 0.0, *, urgent: bool = False) -> None:
        """Have this resource looked at in `delay` seconds; an earlier time that is set stays."""
        wanted = _DueTime(not urgent, self._clock() + delay)
        with self._changed:
            known = self._due.get(key, wanted)
            self._due[key] = _DueTime(known.later and wanted.later, min(known.at, wanted.at))
            if known is wanted or self._due[key] != known:
                self._enter(key)

    def take(self, timeout: float) -> Key | None:
        """Wait for a key that is due and that nobody works on; None after `timeout` seconds."""
        deadline = self._clock() + timeout
        with self._changed:
            while True:
                now = self._clock()
                if key := self._first(now):
                    del self._due[key]
                    self._busy.add(key)
                    if self._due:  # another thread waits for the next one
                        self._changed.notify()
                    return key
                if now >= deadline:
                    return None
                wake = min(deadline, self._coming[0][0]) if self._coming else deadline
                self._changed.wait(wake - now)

    def _enter(self, key: Key) -> None:
        """Wake one thread for this key, unless it is worked on: then `done` does."""
        if key in self._busy:
            return
        heappush(self._coming, (self._due[key].at, key))
        if len(self._coming) > len(self._due) + STALE_ENTRIES:
            self._coming = [
                (due.at, key) for key, due in self._due.items() if key not in self._busy
            ]
            heapify(self._coming)
        self._changed.notify()

    def _first(self, now: float) -> Key | None:
        """Return the key whose turn it is, without asking each: thousands may be due in some days."""
        while self._coming and self._coming[0][0] <= now:
            at, key = heappop(self._coming)
            due = self._due.get(key)
            if due and due.at == at and key not in self._busy:
                heappush(self._ready, (due, key))
        while self._ready:
            due, key = heappop(self._ready)
            if self._due.get(key) == due and key not in self._busy:
                return key
        return None

    def done(self, key: Key, *, failed: bool = False) -> None:
        """Give the key back; after a failure it comes again, later each time."""
        with self._changed:
            self._busy.discard(key)
            failures = self._failures.pop(key, 0) + 1
            if failed:
                self._failures[key] = failures
            if key in self._due:
                self._enter(key)
        if failed:
            self.add(key, min(FIRST_RETRY * 2 ** (failures - 1), LONGEST_RETRY))

    def __len__(self) -> int:
        """Return how many keys are due by now."""
        now = self._clock()
        with self._changed:
            return sum(due.at <= now for due in self._due.values())
