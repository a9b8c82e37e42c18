"""The real run and the reference model, side by side, through any order of events (design, section 1).

`make model N=20000 [FROM=SEED]` walks more sequences than `make test` does. A failure shows the events that
it takes: they become a named test (test_rules.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from profile_image_sync.worker import pipeline
from tests.model.machine import SyncStateMachine
from tests.model.stores import KillableFolder
from tests.model.walking import Step, as_code, play, shrink, walk

PARTS = 2  # for two processors
SEQUENCES = int(os.environ.get("N") or 1600)
FIRST_SEED = int(os.environ.get("FROM") or 0)


def check(seed: int, machine: Callable[[], SyncStateMachine]) -> None:
    """Walk from one seed; show the shortest sequence in which run and model disagree."""

    def fails(steps: list[Step]) -> bool:
        try:
            play(machine(), steps)
        except Exception:  # noqa: BLE001  # whatever it is: an event must not raise
            return True
        return False

    steps = walk(seed)
    if fails(steps):
        steps = shrink(steps, fails)
        try:
            play(machine(), steps)
        except Exception as error:
            raise AssertionError(f"seed {seed}:\n{as_code(steps)}") from error


@pytest.mark.parametrize("part", range(PARTS))
def test_the_real_run_does_what_the_rules_say_in_every_order_of_events(part: int) -> None:
    """Design, section 1: who got which picture, what is recorded, reported and stopped."""
    for seed in range(FIRST_SEED + part, FIRST_SEED + SEQUENCES, PARTS):
        check(seed, SyncStateMachine)


def test_the_files_of_a_folder_and_real_threads_make_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same events on the state of a run at a terminal, with as many threads as there."""
    monkeypatch.setattr(pipeline, "ThreadPoolExecutor", ThreadPoolExecutor)
    for seed in range(40):
        check(seed, lambda: SyncStateMachine(KillableFolder(tmp_path)))


def test_hypothesis_finds_no_other_order() -> None:
    """The same events, drawn and shrunk by hypothesis."""
    run_state_machine_as_test(
        SyncStateMachine,
        settings=settings(
            max_examples=100,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
