"""What a worker's pod is started with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from profile_image_sync.api.run_spec import JOB_UID_VARIABLE, RUN_SPEC_VARIABLE
from profile_image_sync.errors import InvalidSpec
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
            {RUN_SPEC_VARIABLE: json.dumps(RUN_SPEC | {"colour": "hush"}), JOB_UID_VARIABLE: "job"},
            "cannot be read (colour: Extra inputs are not permitted)",
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
    environment: dict[str, str], words: str
) -> None:
    """Another version's run spec, or a command started by hand: no run, exit code 20."""
    with pytest.raises(InvalidSpec) as caught:
        work(environment, None)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
