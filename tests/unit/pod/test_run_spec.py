"""What a worker's pod is started with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profile_image_sync.api.run_spec import (
    JOB_NAME_VARIABLE,
    JOB_UID_VARIABLE,
    RUN_SPEC_VARIABLE,
)
from profile_image_sync.api.termination_message import decode
from profile_image_sync.errors import InvalidSpec
from profile_image_sync.pod.environment import PodEnvironment
from profile_image_sync.pod.main import work

RUN_SPEC: dict[str, Any] = {
    "namespace": "tenant-acme",
    "name": "acme",
    "generation": 3,
    "stateId": "11111111-1111-1111-1111-111111111111",
    "spec": {
        "mode": "OneOff",
        "activeDirectory": {
            "servers": ["ldaps://dc1.corp.example"],
            "credentialsSecretRef": {"name": "ad-bind"},
        },
        "highq": {
            "url": "https://acme.highq.com/acme",
            "credentialsSecretRef": {"name": "highq-oauth"},
        },
    },
}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({JOB_UID_VARIABLE: "job"}, f"the variable {RUN_SPEC_VARIABLE} is not set"),
        ({RUN_SPEC_VARIABLE: json.dumps(RUN_SPEC)}, f"the variable {JOB_UID_VARIABLE} is not set"),
        (
            {RUN_SPEC_VARIABLE: json.dumps(RUN_SPEC), JOB_UID_VARIABLE: ""},
            f"{JOB_UID_VARIABLE} is not set",
        ),
        (
            {RUN_SPEC_VARIABLE: "{", JOB_UID_VARIABLE: "job"},
            "cannot be read (the document: Invalid JSON",
        ),
        (
            {RUN_SPEC_VARIABLE: "{}", JOB_UID_VARIABLE: "job"},
            "cannot be read (namespace: Field required)",
        ),
        (
            {
                RUN_SPEC_VARIABLE: json.dumps(RUN_SPEC | {"generation": "hush"}),
                JOB_UID_VARIABLE: "job",
            },
            "cannot be read (generation: Input should be a valid integer",
        ),
        (
            {
                RUN_SPEC_VARIABLE: json.dumps(RUN_SPEC | {"schemaVersion": 99}),
                JOB_UID_VARIABLE: "job",
            },
            "the run spec has schema 99, this worker reads up to 1: upgrade",
        ),
        (
            {
                RUN_SPEC_VARIABLE: json.dumps(
                    RUN_SPEC | {"spec": RUN_SPEC["spec"] | {"mode": "Once"}}
                ),
                JOB_UID_VARIABLE: "job",
            },
            "cannot be read (spec.mode: ",
        ),
    ],
)
def test_a_run_spec_that_cannot_be_read_is_refused_in_one_line(
    environment: dict[str, str], words: str, tmp_path: Path
) -> None:
    """Another version's, or a command started by hand: no run, exit code 20, and the pod says why."""
    termination = tmp_path / "termination-log"
    termination.touch()
    with pytest.raises(InvalidSpec) as caught:
        work(environment, None, termination)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
    report = decode(termination.read_text())
    assert report
    assert (report.exit_code, report.reason, report.message) == (
        20,
        "InvalidSpec",
        str(caught.value),
    )


def environment_with(**variables: str) -> PodEnvironment:
    """Read a good environment with these variables beside."""
    base = {RUN_SPEC_VARIABLE: json.dumps(RUN_SPEC), JOB_UID_VARIABLE: "some-uid"}
    return PodEnvironment.read(base | variables)


@pytest.mark.parametrize(
    ("job", "run_id"),
    [
        ("pisync-acme-29384756", "29384756"),  # a CronJob's: minutes since 1970
        ("pisync-acme-0a1b2c3d", "0a1b2c3d"),
        ("by-hand", "by-hand"),  # kubectl create job --from=cronjob/pisync-acme
    ],
)
def test_a_runs_id_is_its_jobs_suffix(job: str, run_id: str) -> None:
    """One word ties status, Job, pods and log lines together."""
    environment = environment_with(**{JOB_NAME_VARIABLE: job})
    assert (environment.job, environment.run_id) == (job, run_id)


def test_an_operator_that_does_not_tell_the_jobs_name_is_served() -> None:
    """The first delivery's CronJob, until the operator brings it up to date: the uid stands for the name."""
    first, second = environment_with(), environment_with()
    assert first.job == "some-uid"
    assert first.run_id != second.run_id


def test_dollars_arrive_as_they_were_written() -> None:
    """What Kubernetes makes of an escaped value is read byte for byte: `$(X)`, `$$` and all."""
    wanted = RUN_SPEC | {"requests": ["a$$b", "$(HOME)", "c$"]}
    environment = environment_with(**{RUN_SPEC_VARIABLE: json.dumps(wanted)})
    assert environment.run_spec.requests == ("a$$b", "$(HOME)", "c$")
