"""What the pods of a Job tell, by fields and codes alone."""

from __future__ import annotations

from typing import Any

import pytest

from profile_image_sync.api import termination_message
from profile_image_sync.api.report import Report
from profile_image_sync.api.status import Run
from profile_image_sync.controller.evidence import Evidence, evidence_of

Pod = dict[str, Any]


def pod(number: int = 1, *, status: Pod | None = None, **state: Any) -> Pod:
    """Return a pod whose container is in this state."""
    made = f"2026-05-04T12:00:{number:02d}Z"
    containers = [{"name": "worker", "state": state}] if state else []
    metadata = {"name": f"job-{number}", "uid": f"uid-{number}", "creationTimestamp": made}
    return {"metadata": metadata, "status": {"containerStatuses": containers, **(status or {})}}


def ended(code: int, reason: str = "Error", message: str = "") -> Pod:
    """Return the state of a container that ended."""
    return {"exitCode": code, "reason": reason, "message": message}


def condition(kind: str, status: str, reason: str) -> Pod:
    """Return the status of a pod with one condition."""
    words = "0/3 nodes are available"
    return {"conditions": [{"type": kind, "status": status, "reason": reason, "message": words}]}


PROBLEMS = {
    "image": (pod(waiting={"reason": "ImagePullBackOff", "message": "x"}), "ImagePullBackOff", True),
    "first try": (pod(waiting={"reason": "ErrImagePull"}), "ErrImagePull", True),
    "name": (pod(waiting={"reason": "InvalidImageName"}), "InvalidImageName", True),
    "container": (
        pod(waiting={"reason": "CreateContainerConfigError"}), "CreateContainerConfigError", True,
    ),
    "memory": (pod(terminated=ended(137, "OOMKilled")), "OOMKilled", True),
    "program": (pod(terminated=ended(128, "StartError")), "StartError", True),
    "no node": (
        pod(status=condition("PodScheduled", "False", "Unschedulable")), "Unschedulable", False,
    ),
    "evicted": (pod(status={"reason": "Evicted", "message": "low on memory"}), "Evicted", False),
    "node lost": (
        pod(status=condition("DisruptionTarget", "True", "DeletionByPodGC")),
        "DeletionByPodGC",
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PROBLEMS.values(), ids=PROBLEMS.keys())
def test_a_pod_that_does_not_run_is_told_as_what_it_is(case: tuple[Pod, str, bool]) -> None:
    """With Kubernetes' own word, and whether somebody must act."""
    shown, reason, human = case
    problem = evidence_of([shown]).problem
    assert problem is not None
    assert (problem.reason, problem.human) == (reason, human)


@pytest.mark.parametrize(
    "shown",
    [
        pod(),
        pod(waiting={"reason": "ContainerCreating"}),
        pod(running={}),
        pod(terminated=ended(0, "Completed")),
        pod(terminated=ended(30)),
        pod(status=condition("PodScheduled", "True", "")),
        pod(status=condition("DisruptionTarget", "False", "")),
        pod(status={"reason": "Completed"}),
    ],
)
def test_a_pod_that_goes_its_way_is_no_problem(shown: Pod) -> None:
    """A container that is being made, runs, or ended with a code of the worker's."""
    assert evidence_of([shown]).problem is None


def test_no_pod_is_no_evidence() -> None:
    """A Job that has just been made."""
    assert evidence_of([]) == Evidence()


@pytest.mark.parametrize(
    ("shown", "started"),
    [
        (pod(), False),
        (pod(waiting={"reason": "ImagePullBackOff"}), False),
        (pod(terminated=ended(128, "StartError")), False),
        (pod(terminated=ended(127, "ContainerCannotRun")), False),
        (pod(running={}), True),
        (pod(terminated=ended(0)), True),
        (pod(terminated=ended(137, "ContainerStatusUnknown")), True),
    ],
)
def test_a_run_has_begun_when_a_container_ran(shown: Pod, started: bool) -> None:
    """A request whose Job never ran is still to be served; one whose node was lost may have been."""
    assert evidence_of([shown]).started is started
    assert evidence_of([pod(0, running={}), shown]).started


def test_the_newest_pod_counts() -> None:
    """backoffLimit: what an earlier pod of the Job said is over; it did run, though."""
    report = Report(run=Run(id="1"), exit_code=30, reason="HighQUnavailable")
    message = termination_message.encode(report)
    first, second = pod(1, terminated=ended(30, message=message)), pod(2, waiting={"reason": "X"})
    for pods in ([first, second], [second, first]):
        seen = evidence_of(pods)
        assert (seen.pods, seen.started, seen.exit_code, seen.report) == (2, True, 30, None)
        assert seen.going is not None
        assert seen.going.uid == "uid-2"
    assert evidence_of([first]).report == report


def test_a_pod_that_has_ended_needs_nothing_any_more() -> None:
    """It keeps no ServiceAccount alive."""
    for phase in ("Succeeded", "Failed"):
        assert evidence_of([pod(status={"phase": phase})]).going is None


def test_a_long_sentence_of_kubernetes_is_cut() -> None:
    """It is quoted, never read."""
    problem = evidence_of([pod(waiting={"reason": "ErrImagePull", "message": "x" * 9000})]).problem
    assert problem is not None
    assert problem.message.count("x" * 100) == 3
    assert len(problem.message) < 500


def test_a_problem_quotes_kubernetes_sentence_or_its_word() -> None:
    """Whoever reads it need not look for the pod."""
    told = evidence_of([pod(waiting={"reason": "ErrImagePull", "message": "no such tag"})])
    assert told.problem
    assert "(no such tag)" in told.problem.message
    told = evidence_of([pod(waiting={"reason": "CreateContainerError"})])
    assert told.problem
    assert "(CreateContainerError)" in told.problem.message
    assert "describe pod job-1`" in told.problem.message
