"""The real run and the reference model, side by side, through any order of events (design, section 1).

`make model N=20000` walks more sequences than `make test` does. What it finds becomes a named test below.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from tests.model.machine import SyncStateMachine


def test_the_real_run_does_what_the_rules_say_in_every_order_of_events() -> None:
    """Design, section 1: who got which picture, what is recorded, reported and stopped."""
    run_state_machine_as_test(
        SyncStateMachine,
        settings=settings(
            max_examples=int(os.environ.get("N", "1500")),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
