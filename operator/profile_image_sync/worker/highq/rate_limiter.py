"""When the next request to HighQ may go out: our own ceiling, HighQ's rate limit, requests in flight.

All threads share one limiter: one each would exceed the limit together. What is known of HighQ's limit is
RateWindow's, how many requests HighQ bears at once AdaptiveConcurrency's; here they meet threads.
"""

from __future__ import annotations

from http import HTTPStatus
from threading import Condition

from profile_image_sync.worker.highq.concurrency import AdaptiveConcurrency
from profile_image_sync.worker.highq.rate_window import RateWindow
from profile_image_sync.worker.highq.responses import Response
from profile_image_sync.worker.highq.timing import Timing

SECONDS_A_MINUTE = 60.0
POLL_SECONDS = 0.1  # between two looks at whether we are asked to stop


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
        self._window = RateWindow(self._next_slot)

    def acquire(self) -> None:
        """Wait until a request may go out. Raises Interrupted when the run is asked to stop."""
        delay = 0.0
        while True:
            self._timing.wait(delay)
            with self._condition:
                now = self._timing.monotonic()
                delay = max(self._next_slot - now, self._window.delay(now))
                if delay > 0:
                    continue
                if self._has_room():
                    self._in_flight += 1
                    # Up to half an interval of lateness is made up for: late wake-ups would
                    # otherwise add up and keep us below the ceiling.
                    self._next_slot = max(
                        self._next_slot + self._interval, now + self._interval / 2
                    )
                    return
                self._condition.wait(POLL_SECONDS)

    def release(self, started: float, response: Response | None, *, pause: float = 0.0) -> None:
        """Take note of what came of a request that was sent at `started`; None: no response.

        A 429 holds every request back for `pause` seconds.
        """
        with self._condition:
            now = self._timing.monotonic()
            self._in_flight -= 1
            if response and response.status == HTTPStatus.TOO_MANY_REQUESTS:
                if not self._window.has_limit:
                    self._concurrency.on_overload(started=started, now=now)
            elif response and response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                self._concurrency.on_success(started=started, now=now)
            else:
                self._concurrency.on_overload(started=started, now=now)
            if response:
                self._window.on_response(response, now, pause=pause)
            self._condition.notify(2)  # the limit may have grown by one

    def _has_room(self) -> bool:
        return self._in_flight < self._concurrency.limit and self._window.takes_another(
            self._in_flight
        )
