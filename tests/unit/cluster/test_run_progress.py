"""How far a run request is, and which exit code its end has."""

from __future__ import annotations

from typing import Any

import pytest

from profile_image_sync import names
from profile_image_sync.cluster.run_progress import FollowedRequest, follow
from tests.unit.cluster.resource import NOW, condition, resource, run

VALUE, JOB = "2026-05-04T12:00:00Z-abcdef", "pisync-acme-1"
RUNNING = condition("Synced", "Unknown", "Running", "3 of 7 uploads done")
STALLED = condition("Stalled", "True", "ImagePullBackOff", "no such image")


def request(phase: str, value: str = VALUE, source: str = "Annotation") -> dict[str, Any]:
    """Return a request as status shows it."""
    return {"source": source, "value": value, "phase": phase, "job": JOB}


def followed(*conditions: dict[str, str], value: str = VALUE, **status: Any) -> FollowedRequest:
    """Judge a resource that carries the annotation."""
    annotations = {names.RUN_REQUEST_ANNOTATION: value}
    conditions = (condition("Ready", "True", "Ready"), *conditions)
    return follow(resource(*conditions, annotations=annotations, **status), VALUE, NOW)


@pytest.mark.parametrize(
    "requests",
    [[], [request("Done", "an older one")], [request("Done", source="Spec")]],
)
def test_a_request_that_the_operator_has_not_seen_is_waited_for(requests: Any) -> None:
    """Whatever status says of others, also while an older failure still stands."""
    found = followed(STALLED, runRequests=requests, lastRun=run())
    assert (found.done, found.progress) == (False, "waiting for the operator")


def test_without_any_operator_nobody_waits_for_ever() -> None:
    """The remedy is told instead."""
    unserved = resource(condition("Ready", "Unknown", "Pending"))
    found = follow(unserved, VALUE, NOW)
    assert found.done
    assert found.need
    assert (found.need.reason, found.exit_code) == ("Pending", 20)


def test_a_run_under_way_tells_its_progress() -> None:
    """In the words of the condition Synced."""
    found = followed(RUNNING, runRequests=[request("Running")])
    assert (found.done, found.progress) == (False, "3 of 7 uploads done")
    waiting = followed(
        condition("Synced", "True", "Succeeded", "of old"), runRequests=[request("Pending")]
    )
    assert (waiting.done, waiting.progress) == (False, "waiting for a run to start")
    assert not followed(runRequests=[request("Pending")]).done


@pytest.mark.parametrize(
    ("outcome", "stalled", "code"),
    [
        ("Succeeded", False, 0),
        ("PartialFailure", False, 0),
        ("DryRun", False, 0),
        ("Succeeded", True, 0),
        ("Failed", True, 20),
        ("Failed", False, 30),
    ],
)
def test_the_end_of_a_run_has_its_workers_exit_code(
    outcome: str, code: int, *, stalled: bool
) -> None:
    """0 finished, 20 a person must act, 30 it is tried again."""
    last = run(outcome, JOB, people=9, uploaded=7, failed=2)
    conditions = (STALLED,) if stalled else ()
    found = followed(*conditions, runRequests=[request("Done")], lastRun=last)
    assert (found.done, found.exit_code) == (True, code)
    assert found.progress == f"{outcome}: 7 uploaded, 2 failed of 9 people"
    assert bool(found.need) is stalled


def test_the_run_that_answered_is_told_not_the_last_one() -> None:
    """Another run may have ended since."""
    mine = run("Failed", JOB, message="the directory is away")
    other = run("Succeeded", "pisync-acme-2")
    found = followed(runRequests=[request("Done")], lastRun=other, history=[other, mine])
    assert found.run
    assert found.run.job == JOB
    assert found.progress.endswith("of 0 people. the directory is away")
    assert found.exit_code == 30


def test_a_run_that_is_not_remembered_is_no_success() -> None:
    """Five other runs have ended since."""
    found = followed(runRequests=[request("Done")], lastRun=run(job="pisync-acme-2"))
    assert (found.done, found.run, found.exit_code) == (True, None, 30)
    assert "not known any more" in found.progress


@pytest.mark.parametrize(
    ("phase", "synced", "done"),
    [
        ("Running", RUNNING, True),  # its own pod cannot start
        ("Pending", condition("Synced", "False", "Suspended", "blocked"), True),  # none can start
        ("Pending", RUNNING, False),  # another run is under way, this one comes after it
    ],
)
def test_a_request_that_only_a_person_can_help_is_not_waited_for(
    phase: str, synced: dict[str, str], *, done: bool
) -> None:
    """The command ends with the need and exit code 20."""
    found = followed(STALLED, synced, runRequests=[request(phase)])
    assert found.done is done
    assert found.need
    assert (found.need.reason, found.exit_code) == ("ImagePullBackOff", 20)


def test_a_newer_request_by_someone_else_stands_for_ours() -> None:
    """Its run starts later than ours would, and serves both."""
    newer = followed(value="newer", runRequests=[request("Done", "newer")], lastRun=run(job=JOB))
    assert (newer.done, newer.exit_code) == (True, 0)


def test_an_annotation_that_was_taken_away_leaves_ours() -> None:
    """What was asked for is still known by its value."""
    bare = resource(
        condition("Ready", "True", "Ready"), runRequests=[request("Done")], lastRun=run(job=JOB)
    )
    assert follow(bare, VALUE, NOW).done
