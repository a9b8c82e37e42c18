"""The pace of requests: our ceiling, HighQ's pauses, a stop."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest

from profile_image_sync.errors import Interrupted
from profile_image_sync.worker.highq.rate_limiter import RateLimiter

from .fakes import MovedTime


def test_without_a_ceiling_calls_go_out_at_once() -> None:
    """HighQ's own limit is the only one."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), None)
    for _ in range(1000):
        rate_limiter.acquire()
    assert time.seconds == 0


def test_a_ceiling_spaces_calls_evenly() -> None:
    """120 a minute: one each half second, the first at once."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), 120)
    for _ in range(121):
        rate_limiter.acquire()
    assert time.seconds == pytest.approx(60)


def test_an_idle_minute_is_not_saved_up() -> None:
    """After a pause of our own, requests don't come in a burst: HighQ counts them a minute."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), 60)
    rate_limiter.acquire()
    time.seconds += 600
    before = time.seconds
    for _ in range(10):
        rate_limiter.acquire()
    assert time.seconds - before == pytest.approx(9, abs=0.51)


def test_late_wake_ups_do_not_lower_the_pace() -> None:
    """A thread that wakes a little late does not move all later requests."""
    time = MovedTime()
    rate_limiter = RateLimiter(time.timing(), 60)
    for _ in range(61):
        rate_limiter.acquire()
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
