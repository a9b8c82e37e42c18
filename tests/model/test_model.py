"""The real run and the reference model, side by side, through any order of events (design, section 1).

`make model N=20000` walks more sequences than `make test` does. What it finds becomes a named test below.
"""

from __future__ import annotations

import os
import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from tests.model.machine import SyncStateMachine

SEQUENCES = int(os.environ.get("N", "0"))  # 0: as many as a minute allows, at most 2000
CHUNK, MINUTE = 200, 60.0


def test_the_real_run_does_what_the_rules_say_in_every_order_of_events() -> None:
    """Design, section 1: who got which picture, what is recorded, reported and stopped."""
    started = time.monotonic()
    for _ in range((SEQUENCES or 2000) // CHUNK or 1):
        run_state_machine_as_test(
            SyncStateMachine,
            settings=settings(
                max_examples=min(CHUNK, SEQUENCES or CHUNK),
                stateful_step_count=25,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        if not SEQUENCES and time.monotonic() - started > MINUTE:
            break
