"""A run in a pod: how much time it has, and what it leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from profile_image_sync.api.report import Report
from profile_image_sync.api.run_spec import JOB_NAME_VARIABLE, JOB_UID_VARIABLE, RUN_SPEC_VARIABLE
from profile_image_sync.api.status import Run
from profile_image_sync.api.termination_message import decode
from profile_image_sync.pod.environment import PodEnvironment
from profile_image_sync.pod.main import _remaining_seconds, _started, leave
from tests.support.worker_environment import SPEC

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REPORT = Report(run=Run(id="1a2b"), exit_code=20, reason="BindRefused", message="é" * 5000)


def pod(deadline: int = 3600) -> PodEnvironment:
    """Return the environment of a Job's pod with this deadline."""
    run_spec = {
        "namespace": "tenant-acme",
        "name": "acme",
        "generation": 3,
        "stateId": "11111111-1111-1111-1111-111111111111",
        "spec": {**SPEC, "job": {"activeDeadlineSeconds": deadline}},
    }
    return PodEnvironment.read(
        {
            RUN_SPEC_VARIABLE: json.dumps(run_spec),
            JOB_UID_VARIABLE: "some-uid",
            JOB_NAME_VARIABLE: "pisync-acme-1a2b",
        }
    )


@pytest.mark.parametrize(
    ("deadline", "passed", "remaining"),
    [
        (3600, 0, 3480),  # two minutes to end in
        (3600, 3000, 480),
        (60, 0, 54),  # of a short one, a tenth
        (3600, 7200, -3720),
    ],
)
def test_a_run_ends_before_its_jobs_deadline(deadline: int, passed: int, remaining: float) -> None:
    """A Job that Kubernetes ends is a failed one; a run that ends by itself is continued at once."""
    run_spec = pod(deadline).run_spec
    assert _remaining_seconds(run_spec, timedelta(seconds=passed)) == remaining


@pytest.mark.parametrize(
    ("job", "started"), [("pisync-acme-1a2b", NOON), ("pisync-acme-other", None), (None, None)]
)
def test_an_earlier_pod_of_the_same_job_has_used_some_of_the_time(
    job: str | None, started: datetime | None
) -> None:
    """The deadline is the Job's; the report of another run says nothing about it."""
    earlier = Report(run=Run(id="x", job=job, start_time=NOON), exit_code=30)
    assert _started(pod(), earlier) == started
    assert _started(pod(), None) is None


def test_the_termination_message_fits_and_tells_how_it_ended(tmp_path: Path) -> None:
    """Kubernetes keeps 4096 bytes; what is cut off is of the sentence, never of the facts."""
    path = tmp_path / "termination-log"
    path.touch()
    leave(REPORT, path)
    assert len(path.read_bytes()) <= 4096
    told = decode(path.read_text())
    assert told
    assert (told.run.id, told.exit_code, told.reason) == ("1a2b", 20, "BindRefused")
    assert set(told.message) == {"é"}


def test_outside_a_pod_no_termination_message_is_left(tmp_path: Path) -> None:
    """Only Kubernetes makes the file; nothing is strewn about elsewhere."""
    leave(REPORT, tmp_path / "termination-log")
    assert not list(tmp_path.iterdir())


def test_a_termination_message_that_cannot_be_written_does_not_fail_the_run(tmp_path: Path) -> None:
    """The report and the exit code are still there."""
    leave(REPORT, tmp_path)
