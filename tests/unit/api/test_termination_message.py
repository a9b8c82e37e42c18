"""How a pod tells the end of its run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api import termination_message
from profile_image_sync.api.report import Report
from profile_image_sync.api.status import Brake, Outcome, Run, Trigger

RUN = Run(id="29384756", trigger=Trigger.SCHEDULE, outcome=Outcome.SUCCEEDED, uploaded=3, people=9)


def test_the_numbers_of_a_run_survive_the_loss_of_its_report() -> None:
    """A later run overwrites the report, or the right to write it is lost; the pod still tells."""
    told = Report(run=RUN, exit_code=0, notes=("left out",), reasons={"TooSmall": 1})
    read = termination_message.decode(termination_message.encode(told))
    assert read == Report(run=RUN, exit_code=0)


@given(st.text(max_size=5000), st.text(max_size=4096))
def test_it_fits_into_what_kubernetes_keeps(message: str, brake: str) -> None:
    """Cut off by Kubernetes, it could not be read at all."""
    told = Report(
        run=RUN,
        exit_code=20,
        reason="BrakeTripped",
        message=message,
        brake=Brake(id="b-1", reason="Changed", message=brake),
    )
    text = termination_message.encode(told)
    assert len(text.encode()) <= termination_message.MAX_BYTES
    read = termination_message.decode(text)
    assert read is not None
    assert (read.run, read.exit_code, read.reason) == (RUN, 20, "BrakeTripped")


def test_a_newer_workers_fields_are_passed_over() -> None:
    """A newer worker may say more than this operator knows, at any depth."""
    text = '{"run": {"id": "7", "outcome": "Succeeded", "new": 1}, "exitCode": 0, "more": {"x": 2}}'
    read = termination_message.decode(text)
    assert read is not None
    assert read.run == Run(id="7", outcome=Outcome.SUCCEEDED)


def test_the_end_of_a_log_is_no_message_of_ours() -> None:
    """A worker that was killed leaves none; Kubernetes then takes the last lines of its log."""
    assert termination_message.decode("Traceback ...") is None
