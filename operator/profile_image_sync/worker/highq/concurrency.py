"""How many requests to HighQ may be in flight: additive increase, multiplicative decrease. Pure.

Nobody publishes what HighQ bears. A fixed number would be too slow for one instance and too much for
another, so the number follows what HighQ's answers say, as TCP does with a network.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_IN_FLIGHT = 32
START = 4.0
SLOW_FACTOR = 4.0  # how much slower than at its best HighQ may answer before we step back
SLOW_SECONDS = 0.25  # and by how much at least
EASE = 0.9  # what remains of the limit when answers get slow
HALVE = 0.5  # and when HighQ refuses or fails


@dataclass(slots=True)
class AdaptiveConcurrency:
    """The limit at this moment. Not for several threads at once: RateLimiter guards it."""

    _limit: float = START
    _best: float = float("inf")  # seconds: the fastest answer so far
    _decreased_at: float = float("-inf")
    _is_growing_fast: bool = True  # until the first decrease

    @property
    def limit(self) -> int:
        """How many requests may be in flight: 1 to MAX_IN_FLIGHT."""
        return int(self._limit)

    def on_success(self, *, started: float, now: float) -> None:
        """Take note of an answer that is no trouble; times are monotonic, in seconds."""
        seconds = now - started
        self._best = min(self._best, seconds)
        if seconds > self._best * SLOW_FACTOR + SLOW_SECONDS:
            self._decrease(EASE, started=started, now=now)
            return
        step = 1.0 if self._is_growing_fast else 1.0 / self._limit
        self._limit = min(self._limit + step, MAX_IN_FLIGHT)

    def on_overload(self, *, started: float, now: float) -> None:
        """Take note of a 429, a 5xx or a lost answer."""
        self._decrease(HALVE, started=started, now=now)

    def _decrease(self, factor: float, *, started: float, now: float) -> None:
        """Step back, once for all requests that were in flight together."""
        if started < self._decreased_at:
            return
        self._limit = max(self._limit * factor, 1.0)
        self._decreased_at = now
        self._is_growing_fast = False
