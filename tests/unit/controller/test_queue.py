"""Each resource at most once at a time, and none forgotten."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.controller import queue as queues
from profile_image_sync.controller.queue import Key, WorkQueue

A, B = Key("ns", "a"), Key("ns", "b")


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_key_that_is_added_while_worked_on_comes_again_after() -> None:
    """What changed meanwhile is looked at."""
    queue = WorkQueue(Clock())
    queue.add(A)
    assert queue.take(0) == A
    queue.add(A)
    assert queue.take(0) is None
    queue.done(A)
    assert queue.take(0) == A


def test_an_earlier_time_that_is_set_stays() -> None:
    """A later resync does not put off what is due now."""
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(A, 10)
    queue.add(A, 5)
    queue.add(A, 20)
    clock.now = 5
    assert queue.take(0) == A
    queue.done(A)
    clock.now = 30
    assert queue.take(0) is None


def test_a_failure_comes_again_later_each_time() -> None:
    """One second, two, four, a minute at most; a success forgets them."""
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(A)
    for wait in (1, 2, 4, 8, 16, 32, 60, 60):
        assert queue.take(0) == A
        queue.done(A, failed=True)
        clock.now += wait - 0.5
        assert queue.take(0) is None
        clock.now += 0.5
    assert queue.take(0) == A
    queue.done(A)
    queue.add(A)
    assert queue.take(0) == A
    queue.done(A, failed=True)
    clock.now += 1
    assert queue.take(0) == A


def test_what_has_been_due_longest_comes_first() -> None:
    """Whatever the order in which it was added; what is not due yet does not count."""
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(B, 2)
    queue.add(A, 1)
    assert len(queue) == 0
    clock.now = 1
    assert len(queue) == 1
    clock.now = 3
    assert [queue.take(0), queue.take(0)] == [A, B]


def test_nobody_waits_longer_than_asked() -> None:
    """A thread that is told to end looks up in time."""
    queue = WorkQueue(time.monotonic)
    began = time.monotonic()
    queue.add(A, 9)
    assert queue.take(0.05) is None
    assert time.monotonic() - began < 4


def test_a_failure_does_not_put_off_what_changed_meanwhile() -> None:
    """The earlier time wins."""
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(A)
    queue.take(0)
    queue.add(A)
    queue.done(A, failed=True)
    assert queue.take(0) == A


def test_one_that_is_worked_on_does_not_keep_others_waiting() -> None:
    """A long look at one resource, due again already, while another one falls due."""
    queue = WorkQueue(time.monotonic)
    queue.add(A)
    assert queue.take(0) == A
    queue.add(A)
    queue.add(B, 0.05)
    began = time.monotonic()
    assert queue.take(4) == B
    assert time.monotonic() - began < 2


def test_who_waits_is_woken() -> None:
    """By a new key, at once."""
    queue = WorkQueue(time.monotonic)
    threading.Timer(0.05, queue.add, [A]).start()
    began = time.monotonic()
    assert queue.take(4) == A
    assert time.monotonic() - began < 2


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "take", "done", "wait"]), st.sampled_from([A, B])),
    max_size=60,
)


@given(STEPS)
def test_no_key_is_handed_out_twice_at_once_and_none_is_forgotten(
    steps: list[tuple[str, Key]],
) -> None:
    """Whatever the order of events."""
    clock = Clock()
    queue = WorkQueue(clock)
    busy: set[Key] = set()
    wanted: set[Key] = set()
    for step, key in steps:
        if step == "add":
            queue.add(key)
            wanted.add(key)
        elif step == "take" and (found := queue.take(0)):
            assert found not in busy
            assert found in wanted
            busy.add(found)
            wanted.discard(found)
        elif step == "done" and key in busy:
            queue.done(key)
            busy.discard(key)
        clock.now += 1
    for key in busy:
        queue.done(key)
    assert {queue.take(0), queue.take(0)} - {None} == wanted


def test_what_is_urgent_overtakes_what_was_due_before() -> None:
    """A changed spec waits for one resource at most, not for a thousand that are looked at anew."""
    clock = Clock()
    queue = WorkQueue(clock)
    for number in range(1000):
        queue.add(Key("t", f"old-{number}"))
    clock.now += 1
    queue.add(Key("t", "new"), urgent=True)
    assert queue.take(0) == Key("t", "new")


def test_what_becomes_urgent_keeps_its_place_in_time() -> None:
    """An urgent key that was due later is due now; a later add does not make it wait again."""
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(Key("t", "a"), 60)
    queue.add(Key("t", "a"), urgent=True)
    queue.add(Key("t", "a"), 60)
    assert len(queue) == 1
    assert queue.take(0) == Key("t", "a")
    assert len(queue) == 0


class Reference:
    """The same by asking every key each time."""

    def __init__(self) -> None:
        self.due: dict[Key, tuple[bool, float]] = {}
        self.busy: set[Key] = set()

    def add(self, key: Key, at: float, *, urgent: bool) -> None:
        """Keep what is urgent, and the earlier time."""
        later, known = self.due.get(key, (True, at))
        self.due[key] = (later and not urgent, min(known, at))

    def first(self, now: float) -> list[Key]:
        """Return the keys whose turn it may be."""
        ready = {k: due for k, due in self.due.items() if due[1] <= now and k not in self.busy}
        return [key for key, due in ready.items() if due == min(ready.values())]


ADDS = st.tuples(
    st.just("add"), st.sampled_from("abcdef"), st.sampled_from([0, 0, 1, 3, 50]), st.booleans()
)
MOVES = st.tuples(
    st.sampled_from(["take", "done", "wait"]), st.sampled_from("abcdef"), st.just(0), st.just(False)
)


@given(steps=st.lists(ADDS | MOVES, max_size=120))
def test_the_key_that_is_handed_out_is_the_one_whose_turn_it_is(
    steps: list[tuple[str, str, int, bool]],
) -> None:
    """Urgent before due long; also when entries that say nothing any more have been cleared away."""
    clock, reference = Clock(), Reference()
    queue = WorkQueue(clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queues, "STALE_ENTRIES", 2)
        for what, name, delay, urgent in steps:
            key = Key("ns", name)
            if what == "add":
                queue.add(key, delay, urgent=urgent)
                reference.add(key, clock.now + delay, urgent=urgent)
            elif what == "done" and key in reference.busy:
                queue.done(key)
                reference.busy.discard(key)
            elif what == "wait":
                clock.now += 1
            elif what == "take":
                found, expected = queue.take(0), reference.first(clock.now)
                assert found in expected if expected else found is None
                if found:
                    reference.busy.add(found)
                    del reference.due[found]
