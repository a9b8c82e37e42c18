"""The pace of requests: our ceiling, HighQ's pauses, a stop."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest

from profile_image_sync.errors import Interrupted
from profile_image_sync.worker.highq.rate_limiter import RateLimiter
from profile_image_sync.worker.highq.responses import Response

from .fakes import MovedTime

OK = Response(200)


def request(rate_limiter: RateLimiter, response: Response | None = OK) -> None:
    """Send one request that takes no time."""
    rate_limiter.acquire()
    rate_limiter.release(0.0, response)


class Window:
    """HighQ's own counter: a fixed window that opens at the first request after the last one's end."""

    def __init__(self, time: MovedTime, limit: int, *, announced: bool, others: int = 0) -> None:
        self.time, self.limit, self.announced = time, limit, announced
        self.others = others  # requests of another run in each window
        self.ends = self.count = 0.0
        self.statuses: list[int] = []

    def respond(self) -> Response:
        """Count a request."""
        if self.time.seconds >= self.ends:
            self.ends, self.count = self.time.seconds + 60, float(self.others)
        self.count += 1
        status = 200 if self.count <= self.limit else 429
        self.statuses.append(status)
        left = self.ends - self.time.seconds
        if self.announced:
            return Response(
                status, retry_after=left, remaining=max(0, int(self.limit - self.count))
            )
        return Response(status, retry_after=left if status == 429 else None)


def has_room(rate_limiter: RateLimiter, time: MovedTime) -> bool:
    """Tell whether acquire() would return at once."""
    is_time = rate_limiter._delay(time.seconds) <= 0
    return is_time and rate_limiter._in_flight < rate_limiter._allowed()


def work(rate_limiter: RateLimiter, window: Window, requests: int, at_once: int = 8) -> None:
    """Get so many requests through, several side by side: those sent together are answered together."""
    done = 0
    while done < requests:
        responses: list[Response] = []
        for _ in range(at_once):
            if responses and not has_room(rate_limiter, window.time):
                break
            rate_limiter.acquire()
            responses.append(window.respond())
        window.time.seconds += 0.02
        for response in responses:
            rate_limiter.release(window.time.seconds - 0.02, response)
            if response.status == 429:
                rate_limiter.pause(response.retry_after or 0)
            else:
                done += 1


@pytest.mark.parametrize("others", [0, 20])
def test_an_announced_limit_is_never_hit(others: int) -> None:
    """X-Ratelimit-Remaining tells when to wait, also where another run takes its share."""
    time = MovedTime()
    window = Window(time, 60, announced=True, others=others)
    work(RateLimiter(time.timing(), None), window, 600)
    assert 429 not in window.statuses
    assert time.seconds <= 600 / (60 - others) * 60


def test_a_silent_limit_is_found_with_one_429_a_window() -> None:
    """What the last window took goes out side by side, what is beyond one by one."""
    time = MovedTime()
    window = Window(time, 60, announced=False)
    limiter = RateLimiter(time.timing(), None)
    work(limiter, window, 120)
    window.statuses.clear()
    work(limiter, window, 600)
    assert window.statuses.count(429) <= 10 + 1
    assert time.seconds <= 720 / 60 * 60 / 0.95


def test_a_limit_that_is_raised_is_used() -> None:
    """HighQ's administrators may change it any day."""
    time = MovedTime()
    window = Window(time, 60, announced=False)
    limiter = RateLimiter(time.timing(), None)
    work(limiter, window, 120)
    window.limit = 600
    started = time.seconds
    work(limiter, window, 1200)
    assert time.seconds - started <= 4 * 60


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


def test_the_longest_pause_counts() -> None:
    """Several threads are told to wait at once; a shorter pause never cuts a longer one."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), None)
    rate_limiter.pause(30)
    rate_limiter.pause(10)
    rate_limiter.acquire()
    assert time.seconds == pytest.approx(30)


def test_a_pause_holds_every_thread_back() -> None:
    """What one thread was told holds for those that wait for their turn already."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), None)
    rate_limiter.pause(20)
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
    rate_limiter.pause(3600)
    time.set()
    with pytest.raises(Interrupted):
        rate_limiter.acquire()
    assert time.seconds == 0
