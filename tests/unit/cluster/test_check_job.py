"""The Job of `check --in-cluster`: how it differs from a run's, and what its pod says. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from profile_image_sync import names
from profile_image_sync.cluster.check_job import CheckUnheard, job_of, results_of, waiting_reason
from profile_image_sync.local.probe import CheckResult, CheckStatus

TEMPLATE: dict[str, Any] = {
    "template": {
        "metadata": {
            "labels": {
                **names.labels("acme", "worker"),
                "batch.kubernetes.io/job-name": "pisync-acme-1",
                "controller-uid": "u",
            }
        },
        "spec": {"containers": [{"name": "worker", "args": ["worker"]}]},
    }
}


def test_labels_of_a_run_and_of_its_job_are_left_out() -> None:
    """Kubernetes sets its own anew; ours would make the operator take the pod for a run's."""
    job = job_of(TEMPLATE, "tenant-acme", use_token=True)
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert set(labels) == set(names.labels("acme", "worker")) - {names.SYNC_LABEL}
    assert "labels" not in job["metadata"]
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [
        "check", "--output", "json", "--use-token",
    ]  # fmt: skip
    assert TEMPLATE["template"]["spec"]["containers"][0]["args"] == ["worker"]


def test_results_are_read_behind_lines_of_log() -> None:
    """A warning of a library may come before them."""
    said = json.dumps([{"name": "DNS", "status": "failed", "text": "x"}], indent=2)
    log = iter(["2026-01-01 something", *said.splitlines()])
    assert results_of(log) == [CheckResult("DNS", CheckStatus.FAILED, "x")]


@pytest.mark.parametrize(
    "log", [[], ["Error: No such command 'check'"], ["[", "1"], ["[", '{"name": 1}]']]
)
def test_a_pod_that_says_something_else_is_not_heard(log: list[str]) -> None:
    """Its last line is quoted: an older image has no such command."""
    with pytest.raises(CheckUnheard, match="older than this command"):
        results_of(iter(log))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"phase": "Pending"}, "it is Pending"),
        (
            {
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "ErrImagePull", "message": "m"}}}
                ]
            },
            "ErrImagePull: m",
        ),
        (
            {
                "conditions": [
                    {"status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
                ]
            },
            "Unschedulable: 0/1 nodes",
        ),
    ],
)
def test_why_a_pod_does_not_start_is_told_in_kubernetes_words(
    status: dict[str, Any], words: str
) -> None:
    """Image, scheduling, or just the phase."""
    assert waiting_reason(status) == words
