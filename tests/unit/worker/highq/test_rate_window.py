"""What is known of HighQ's rate limit: runs side by side on one simulated limit, event by event."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

import pytest

from profile_image_sync.worker.highq.rate_window import RateWindow
from profile_image_sync.worker.highq.responses import Response

LATENCY = 0.1  # seconds
OK, LIMITED = Response(200), Response(429)


@dataclass
class Limit:
    """HighQ's own counter: a fixed window that opens at the first request after the last one's end."""

    limit: int
    announced: bool = False
    seconds: float = 60.0
    ends: float = 0.0
    count: int = 0
    windows: int = 0

    def respond(self, now: float) -> Response:
        """Count a request."""
        if now >= self.ends:
            self.ends, self.count, self.windows = now + self.seconds, 0, self.windows + 1
        self.count += 1
        status = 200 if self.count <= self.limit else 429
        left = self.ends - now
        if self.announced:
            return Response(status, retry_after=left, remaining=max(0, self.limit - self.count))
        return Response(status, retry_after=left if status == 429 else None)


@dataclass
class Run:
    """A run that has always more to send, at most `at_once` requests side by side."""

    at_once: int = 32
    starts: float = 0.0
    window: RateWindow = field(init=False)
    in_flight: int = 0
    taken: Counter[int] = field(default_factory=Counter)  # by HighQ's window, from 1
    refused: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.window = RateWindow(self.starts)


def simulate(limit: Limit, runs: list[Run], windows: int) -> None:
    """Let the runs work until HighQ has closed so many windows."""
    now = 0.0
    answers: list[tuple[float, int, int, Response]] = []
    numbers = iter(range(10**9))
    while limit.windows <= windows:
        wake = []
        for index, run in enumerate(runs):
            if now < run.starts:
                wake.append(run.starts)
                continue
            while (delay := run.window.delay(now)) <= 0 and run.in_flight < run.at_once:
                if not run.window.takes_another(run.in_flight):
                    break
                run.in_flight += 1
                response = limit.respond(now)
                counts = run.taken if response.status == 200 else run.refused
                counts[limit.windows] += 1
                heapq.heappush(answers, (now + LATENCY, next(numbers), index, response))
            if delay > 0:
                wake.append(now + delay)
        now = min([*wake, *(answers[0][:1])]) if answers else min(wake)
        while answers and answers[0][0] <= now:
            _, _, index, response = heapq.heappop(answers)
            runs[index].in_flight -= 1
            pause = (response.retry_after or 0) + 0.1 * index  # runs do not come back together
            runs[index].window.on_response(response, now, pause=pause)


@pytest.mark.parametrize("limit", [1, 2, 10, 60, 600, 3000])
def test_a_silent_limit_costs_one_429_a_window(limit: int) -> None:
    """Most of what the last window took goes out side by side, the rest one by one."""
    run = Run()
    simulate(Limit(limit), [run], 8)
    assert max(run.refused[window] for window in range(2, 9)) <= 1
    assert run.refused[1] <= 32
    assert min(run.taken[window] for window in range(2, 9)) >= 0.95 * limit


@pytest.mark.parametrize("limit", [1, 2, 10, 60, 600, 3000])
def test_an_announced_limit_is_never_hit_and_used(limit: int) -> None:
    """X-Ratelimit-Remaining tells when to wait; a window begins with one request that tells the rest."""
    run = Run(at_once=1)
    simulate(Limit(limit, announced=True), [run], 1)
    run.at_once = 32
    simulate(Limit(limit, announced=True), [run], 8)
    assert run.refused.total() == 0
    assert run.taken.total() >= 0.95 * 8 * min(limit, 60 * 32 / LATENCY)


def test_a_limit_of_another_window_is_obeyed() -> None:
    """HighQ's page says "a minute"; an instance may say otherwise."""
    run = Run()
    simulate(Limit(100, seconds=300), [run], 5)
    assert max(run.refused[window] for window in range(2, 6)) <= 1
    assert min(run.taken[window] for window in range(2, 6)) == 100


def test_a_limit_that_is_raised_is_used() -> None:
    """HighQ's administrators may change it any day."""
    run, limit = Run(), Limit(60)
    simulate(limit, [run], 3)
    limit.limit = 600
    simulate(limit, [run], 7)
    assert run.taken[6] >= 570


def test_a_limit_that_is_lowered_costs_one_burst() -> None:
    """At most what is in flight at that moment."""
    run, limit = Run(), Limit(600)
    simulate(limit, [run], 3)
    limit.limit = 60
    simulate(limit, [run], 8)
    assert run.refused[5] <= 32
    assert max(run.refused[window] for window in range(6, 9)) <= 1


@pytest.mark.parametrize("announced", [False, True])
def test_a_run_that_joins_another_comes_to_an_equal_share(*, announced: bool) -> None:
    """Two resources with one registration: the newcomer is served at once, and has its half soon."""
    first, second = Run(), Run(starts=310.0)
    simulate(Limit(200, announced=announced), [first, second], 20)
    joined = min(second.taken)
    shares = [
        second.taken[window] / (first.taken[window] + second.taken[window])
        for window in range(joined + 1, 21)
    ]
    assert min(shares) >= 0.05
    assert shares[5] >= 0.2
    assert min(shares[-5:]) >= 0.3


def test_two_runs_that_begin_together_share_equally() -> None:
    """One 429 a window for each of them, and nothing of the limit lost."""
    runs = [Run(), Run()]
    simulate(Limit(200), runs, 10)
    for window in range(2, 11):
        assert runs[0].taken[window] + runs[1].taken[window] >= 190
        assert min(run.taken[window] for run in runs) >= 70
        assert max(run.refused[window] for run in runs) <= 1


@pytest.mark.parametrize("limit", [10, 60, 200, 600, 3000])
@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("starts", [0.0, 310.0], ids=["together", "one after the other"])
def test_runs_on_one_announced_limit_learn_to_hit_it_no_more(
    limit: int, count: int, starts: float
) -> None:
    """After a few windows there is no 429, next to nothing of the limit is lost, and nobody starves."""
    runs = [Run(), *(Run(starts=starts + later) for later in range(count - 1))]
    simulate(Limit(limit, announced=True), runs, 30)
    for window in range(15, 31):
        taken = [run.taken[window] for run in runs]
        assert not any(run.refused[window] for run in runs)
        assert sum(taken) >= min(0.97 * limit, limit - 2)
        assert min(taken) >= 0.4 * limit / count


def test_answers_overtake_each_other() -> None:
    """The lowest number counts: it is the newest."""
    window = RateWindow(0.0)
    window.delay(0.0)
    for remaining in (40, 38, 39):
        window.on_response(Response(200, retry_after=60.0, remaining=remaining), 0.0)
    assert window.takes_another(18)
    assert not window.takes_another(19)


def test_a_number_of_another_window_counts_anew() -> None:
    """Resets are told in whole seconds: two seconds of difference are the same window."""
    window = RateWindow(0.0)
    window.delay(0.0)
    window.on_response(Response(200, retry_after=20.0, remaining=4), 0.0)
    window.on_response(Response(200, retry_after=22.0, remaining=40), 0.0)
    assert not window.takes_another(2)
    window.on_response(Response(200, retry_after=24.1, remaining=40), 0.0)
    assert window.takes_another(19)


def test_an_announcement_that_stops_leaves_us_no_slower() -> None:
    """Where only some answers tell, the others do not hold us to one request at a time."""
    window = RateWindow(0.0)
    window.delay(0.0)
    window.on_response(Response(200, retry_after=10.0, remaining=4), 0.0)
    assert not window.takes_another(2)
    assert window.delay(10.0) == 0
    assert not window.takes_another(1)
    window.on_response(OK, 10.1)
    assert window.takes_another(31)


def test_the_longest_pause_counts() -> None:
    """Several answers of one moment tell us to wait; a shorter pause never cuts a longer one."""
    window = RateWindow(0.0)
    window.delay(0.0)
    assert not window.has_limit
    window.on_response(LIMITED, 0.0, pause=30)
    window.on_response(LIMITED, 0.0, pause=10)
    assert window.delay(0.0) == 30
    assert window.delay(30.0) == 0
    assert window.has_limit


def test_what_has_no_answer_of_highqs_is_not_counted() -> None:
    """A 5xx may come from a gateway: HighQ has not counted it."""
    window = RateWindow(0.0)
    window.delay(0.0)
    for response in (OK, Response(404), Response(500), Response(503)):
        window.on_response(response, 0.0)
    window.on_response(LIMITED, 0.0, pause=1)
    window.delay(1.0)
    assert window.takes_another(0)
    assert not window.takes_another(1)
