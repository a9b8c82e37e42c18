"""When the next request to HighQ may go out: our own ceiling, HighQ's rate limit, requests in flight.

HighQ counts requests per token and address in a fixed window (API page "API rate limit"). All threads
therefore share one limiter; one each would exceed the limit together. Where HighQ's headers tell how
many are left, the limit is never hit. Elsewhere the last window tells: what it took goes out side by
side, what is beyond that one by one, so that one 429 a window finds the limit.
"""

from __future__ import annotations

from http import HTTPStatus
from threading import Condition

from profile_image_sync.worker.highq.concurrency import AdaptiveConcurrency
from profile_image_sync.worker.highq.responses import Response
from profile_image_sync.worker.highq.timing import Timing

SECONDS_A_MINUTE = 60.0
POLL_SECONDS = 0.1  # between two looks at whether we are asked to stop
SAME_WINDOW = 2.0  # seconds; resets are told in whole seconds


class RateLimiter:
    """Lets requests pass. Used by many threads: each calls acquire(), sends, and calls release()."""

    def __init__(self, timing: Timing, requests_per_minute: int | None) -> None:
        """Take our own ceiling; None: as fast as HighQ allows."""
        self._timing = timing
        self._interval = SECONDS_A_MINUTE / requests_per_minute if requests_per_minute else 0.0
        self._condition = Condition()
        self._concurrency = AdaptiveConcurrency()
        self._in_flight = 0
        self._next_slot = timing.monotonic()
        self._paused_until = self._next_slot
        self._window_ends = self._next_slot  # of the window that the numbers below are about
        self._window_seconds = SECONDS_A_MINUTE
        self._left: int | None = None  # HighQ's own number; None: it does not tell
        self._capacity: int | None = None  # what the last window took before its 429
        self._taken = 0  # in this window

    def acquire(self) -> None:
        """Wait until a request may go out. Raises Interrupted when the run is asked to stop."""
        delay = 0.0
        while True:
            self._timing.wait(delay)
            with self._condition:
                now = self._timing.monotonic()
                delay = self._delay(now)
                if delay > 0:
                    continue
                if self._in_flight < self._allowed():
                    self._in_flight += 1
                    # Up to half an interval of lateness is made up for: late wake-ups would
                    # otherwise add up and keep us below the ceiling.
                    self._next_slot = max(
                        self._next_slot + self._interval, now + self._interval / 2
                    )
                    return
                self._condition.wait(POLL_SECONDS)

    def release(self, started: float, response: Response | None) -> None:
        """Take note of what came of a request that was sent at `started`; None: no response."""
        with self._condition:
            now = self._timing.monotonic()
            self._in_flight -= 1
            if response and response.status == HTTPStatus.TOO_MANY_REQUESTS:
                if not self._is_probing():
                    self._concurrency.on_overload(started=started, now=now)
            elif response and response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                self._taken += 1
                self._concurrency.on_success(started=started, now=now)
            else:
                self._concurrency.on_overload(started=started, now=now)
            if response:
                self._learn(response, now)
            self._condition.notify_all()

    def pause(self, seconds: float) -> None:
        """Hold every request back for so long, or longer if a longer pause is on already."""
        with self._condition:
            now = self._timing.monotonic()
            if now >= self._paused_until and self._left is None:  # the first 429 of this window
                self._capacity = self._taken
            self._paused_until = max(self._paused_until, now + seconds)

    def _delay(self, now: float) -> float:
        """Return the seconds until time allows a request; begin a new window when one is over."""
        if now >= self._window_ends and now >= self._paused_until:
            self._window_ends = now + self._window_seconds
            self._taken, self._left = 0, None
        wait = max(self._next_slot, self._paused_until) - now
        if self._left == 0 and self._in_flight == 0:
            wait = max(wait, self._window_ends - now)
        return wait

    def _allowed(self) -> int:
        """Return how many may be in flight; some of them HighQ may have counted already."""
        if self._left is not None:
            return min(self._concurrency.limit, self._left)
        if self._is_probing():
            return 1
        if self._capacity is not None:
            return min(self._concurrency.limit, max(self._capacity - self._taken, 1))
        return self._concurrency.limit

    def _is_probing(self) -> bool:
        return self._left is None and self._capacity is not None and self._taken >= self._capacity

    def _learn(self, response: Response, now: float) -> None:
        """Note where the window ends and how many requests HighQ still takes in it."""
        if response.retry_after is None:
            return
        ends = now + response.retry_after
        if response.remaining is None:
            if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                self._window_ends = ends
            return
        if self._left is None or ends > self._window_ends + SAME_WINDOW:  # another window
            self._left = response.remaining
        self._left = min(self._left, response.remaining)  # answers overtake each other
        self._window_ends = max(ends, now)
