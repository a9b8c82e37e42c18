"""How the number of requests in flight follows HighQ's answers."""

from __future__ import annotations

from profile_image_sync.worker.highq.concurrency import MAX_IN_FLIGHT, AdaptiveConcurrency


def answered(limit: AdaptiveConcurrency, times: int, seconds: float, now: float = 0.0) -> float:
    """Let requests be answered one after the other; return the time then."""
    for _ in range(times):
        limit.on_success(started=now, now=now + seconds)
        now += seconds
    return now


def test_it_grows_to_the_most_while_all_is_well() -> None:
    """Within some dozens of answers, and never beyond."""
    limit = AdaptiveConcurrency()
    answered(limit, 2 * MAX_IN_FLIGHT, 0.02)
    assert limit.limit == MAX_IN_FLIGHT


def test_an_overload_halves_it_once_for_all_that_were_in_flight() -> None:
    """Thirty-two failures of one moment are one sign, not thirty-two."""
    limit = AdaptiveConcurrency()
    now = answered(limit, 100, 0.02)
    for _ in range(MAX_IN_FLIGHT):
        limit.on_overload(started=now, now=now + 1)
    assert limit.limit == MAX_IN_FLIGHT // 2


def test_after_an_overload_it_grows_by_one_a_round() -> None:
    """Slowly, so that two runs on one HighQ come to equal shares."""
    limit = AdaptiveConcurrency()
    now = answered(limit, 100, 0.02)
    limit.on_overload(started=now, now=now)
    now = answered(limit, 16, 0.02, now)
    assert limit.limit in {16, 17}
    answered(limit, 17, 0.02, now)
    assert limit.limit in {17, 18}


def test_slow_answers_make_it_step_back() -> None:
    """Before HighQ fails: latency rises first."""
    limit = AdaptiveConcurrency()
    now = answered(limit, 100, 0.02)
    answered(limit, 5, 2.0, now)
    assert limit.limit < MAX_IN_FLIGHT


def test_it_never_ends_at_nothing() -> None:
    """One request may always go out."""
    limit = AdaptiveConcurrency()
    for second in range(100):
        limit.on_overload(started=second, now=second)
    assert limit.limit == 1
