"""The rate of all requests to one HighQ: our own ceiling, and the pauses that HighQ asks for. No I/O.

HighQ counts requests per token and address in a fixed window (API page "API rate limit"). All threads
therefore share one limiter; one each would exceed the limit together.
"""

from __future__ import annotations

from threading import Lock

from profile_image_sync.worker.highq.timing import Timing

SECONDS_A_MINUTE = 60.0


class RateLimiter:
    """Lets requests pass, one by one, when it is their time. Used by many threads."""

    def __init__(self, timing: Timing, requests_per_minute: int | None) -> None:
        """Take our own ceiling; None: as fast as HighQ allows."""
        self._timing = timing
        self._interval = SECONDS_A_MINUTE / requests_per_minute if requests_per_minute else 0.0
        self._lock = Lock()
        self._next_slot = timing.monotonic()
        self._paused_until = self._next_slot

    def acquire(self) -> None:
        """Wait until a call may go out. Raises Interrupted when the run is asked to stop."""
        delay = 0.0
        while True:
            self._timing.wait(delay)
            with self._lock:
                now = self._timing.monotonic()
                delay = max(self._next_slot, self._paused_until) - now
                if delay <= 0:
                    # Up to half an interval of lateness is made up for: late wake-ups would
                    # otherwise add up and keep us below the ceiling.
                    self._next_slot = max(
                        self._next_slot + self._interval, now + self._interval / 2
                    )
                    return

    def pause(self, seconds: float) -> None:
        """Hold every call back for so long, or longer if a longer pause is on already."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._timing.monotonic() + seconds)
