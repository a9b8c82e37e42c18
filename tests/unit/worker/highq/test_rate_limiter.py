"""The pace of requests: our ceiling, HighQ's pauses, a stop."""

from __future__ import annotations

from contextlib import suppress
from threading import Barrier, Thread
from unittest.mock import patch

import pytest

from profile_image_sync.errors import Interrupted
from profile_image_sync.worker.highq.rate_limiter import RateLimiter
from profile_image_sync.worker.highq.responses import Response

from .fakes import MovedTime

OK, LIMITED = Response(200), Response(429)


def request(
    rate_limiter: RateLimiter, response: Response | None = OK, *, pause: float = 0.0
) -> None:
    """Send one request that takes no time."""
    rate_limiter.acquire()
    rate_limiter.release(rate_limiter._timing.monotonic(), response, pause=pause)


def test_without_a_ceiling_calls_go_out_at_once() -> None:
    """HighQ's own limit is the only one."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), None)
    for _ in range(1000):
        request(rate_limiter)
    assert time.seconds == 0


def test_a_ceiling_spaces_calls_evenly() -> None:
    """120 a minute: one each half second, the first at once."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), 120)
    for _ in range(121):
        request(rate_limiter)
    assert time.seconds == pytest.approx(60)


def test_an_idle_minute_is_not_saved_up() -> None:
    """After a pause of our own, requests don't come in a burst: HighQ counts them a minute."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), 60)
    request(rate_limiter)
    time.seconds += 600
    before = time.seconds
    for _ in range(10):
        request(rate_limiter)
    assert time.seconds - before == pytest.approx(9, abs=0.51)


def test_late_wake_ups_do_not_lower_the_pace() -> None:
    """A thread that wakes a little late does not move all later requests."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), 60)
    for _ in range(61):
        request(rate_limiter)
        time.seconds += 0.2
    assert time.seconds == pytest.approx(60, abs=0.5)


def test_a_429_holds_the_next_request_back_at_once() -> None:
    """No request slips out between the answer and the pause: each one would be another 429."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), None)
    rate_limiter.acquire()
    rate_limiter.release(0.0, LIMITED, pause=30)
    rate_limiter.acquire()
    assert time.seconds == pytest.approx(30)


@pytest.mark.parametrize(
    ("responses", "in_flight"),
    [
        ([], 4),
        ([OK] * 4, 8),
        ([OK, Response(404)], 6),
        ([Response(500)], 2),
        ([None], 2),
        ([LIMITED], 1),
        ([*[OK] * 20, LIMITED], 12),
        ([*[OK] * 20, LIMITED, *[OK] * 20, LIMITED], 13),
    ],
)
def test_how_many_are_in_flight_follows_the_answers(
    responses: list[Response | None], in_flight: int
) -> None:
    """More while all is well, half after trouble; once the limit is known, meeting it is no trouble."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), None)
    for response in responses:
        request(rate_limiter, response)
        time.seconds += 1
    sent: list[int] = []
    full = patch.object(rate_limiter._condition, "wait", lambda _seconds: time.set())
    with full, suppress(Interrupted):
        while True:
            rate_limiter.acquire()
            sent.append(1)
    assert len(sent) == in_flight


def test_a_pause_holds_every_thread_back() -> None:
    """What one thread was told holds for those that wait for their turn already."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), None)
    request(rate_limiter, LIMITED, pause=20)
    started, admitted = Barrier(5), []

    def call() -> None:
        started.wait(10)
        rate_limiter.acquire()
        admitted.append(time.seconds)
        rate_limiter.release(time.seconds, Response(200))

    threads = [Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait(10)
    for thread in threads:
        thread.join(10)
    assert len(admitted) == 4
    assert min(admitted) >= 20


def test_a_stop_ends_the_wait() -> None:
    """SIGTERM does not wait for HighQ's rate limit."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), None)
    request(rate_limiter, LIMITED, pause=3600)
    time.set()
    with pytest.raises(Interrupted):
        rate_limiter.acquire()
    assert time.seconds == 0
