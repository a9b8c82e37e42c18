"""Walks of events: drawn from a seed, or by hypothesis; a failing walk is shrunk to the events that it takes.

Hypothesis spends more time on drawing than a run takes. So most sequences are drawn by `random` from the same
events, and what fails is shortened here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any, TypeVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

EVENTS: dict[str, dict[str, tuple[Any, ...]]] = {}  # name -> argument -> its values
Step = tuple[str, dict[str, Any]]
F = TypeVar("F", bound=Callable[..., None])


def event(when: Any = rule, /, **choices: Any) -> Callable[[F], F]:
    """Make a method an event: for hypothesis a `rule`, or another `when`, and a line of EVENTS for walks."""

    def register(method: F) -> F:
        values = EVENTS[method.__name__] = {name: tuple(each) for name, each in choices.items()}
        drawn = when(**{name: st.sampled_from(each) for name, each in values.items()})(method)
        return cast("F", drawn)

    return register


def walk(seed: int, steps: int = 20) -> list[Step]:
    """Draw a sequence: of some of the events, not all, so that each meets the others in many mixtures."""
    random = Random(seed)
    others = sorted(EVENTS.keys() - {"begin", "sync", "change_picture"})
    chosen = random.sample(others, random.randint(2, len(others) // 2))
    chosen += ["sync", "change_picture", *["sync"] * (len(chosen) // 2)]
    names = ["begin", *(random.choice(chosen) for _ in range(steps)), "sync"]
    return [(name, {a: random.choice(v) for a, v in EVENTS[name].items()}) for name in names]


def play(machine: RuleBasedStateMachine, steps: Sequence[Step]) -> None:
    """Let the events happen."""
    for name, arguments in steps:
        getattr(machine, name)(**arguments)


def shrink(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Leave events out while the rest still fails; the first one stays."""
    length = len(steps) // 2
    while length:
        for start in count(1, length):
            while start < len(steps) and fails(fewer := steps[:start] + steps[start + length :]):
                steps = fewer
            if start >= len(steps):
                break
        length //= 2
    return steps


def as_code(steps: Sequence[Step]) -> str:
    """Return the lines of a test that does this."""
    calls = (
        f"machine.{name}({', '.join(f'{a}={v!r}' for a, v in arguments.items())})"
        for name, arguments in steps
    )
    return "\n".join(("machine = SyncStateMachine()", *calls))
