"""Events: one when a run has ended, one when a person must act, and none besides."""

from __future__ import annotations

from typing import Any

import pytest

from profile_image_sync.api.allow import Allow
from profile_image_sync.api.status import Outcome, ProfileImageSyncStatus
from profile_image_sync.controller import conditions, events, run_result
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.decide import decide
from profile_image_sync.controller.snapshot import Observed
from tests.support.snapshots import NEW, NOW, REFUSED, job, observed, report, run

RESOURCE: Body = {"metadata": {"name": "a" * 40, "namespace": "tenant-acme", "uid": "uid-1"}}
NOTHING = ProfileImageSyncStatus()


def told(
    seen: Observed, before: ProfileImageSyncStatus = NOTHING
) -> tuple[ProfileImageSyncStatus, list[Body]]:
    """Return the new status and the events that it is worth."""
    last = run_result.latest(seen)
    after = conditions.status(seen, last, decide(seen, last, Allow(), NOW, NEW), NOW)
    return after, list(events.between(RESOURCE, before, after, last, NOW))


def summary(found: list[Body]) -> list[tuple[Any, Any]]:
    """Return type and reason of each."""
    return [(each["type"], each["reason"]) for each in found]


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        (Outcome.SUCCEEDED, "Normal"),
        (Outcome.DRY_RUN, "Normal"),
        (Outcome.PARTIAL_FAILURE, "Warning"),
        (Outcome.FAILED, "Warning"),
    ],
)
def test_a_run_that_ended_is_told_once(ended: Outcome, kind: str) -> None:
    """With its numbers, or its line for people."""
    seen = observed(report=report(run(ended, uploaded=3)))
    after, found = told(seen)
    assert summary(found) == [(kind, f"Run{ended.value}")]
    assert "3 uploaded" in found[0]["note"]
    assert told(seen, after)[1] == []


def test_that_a_person_must_act_is_told_once() -> None:
    """Beside the run's end, under a name of its own."""
    seen = observed(report=REFUSED)
    after, found = told(seen)
    assert summary(found) == [("Warning", "RunFailed"), ("Warning", "BindRefused")]
    assert len({each["metadata"]["name"] for each in found}) == 2
    assert told(seen, after)[1] == []


def test_another_reason_is_told_again() -> None:
    """The words have changed, though Stalled has not."""
    after, _ = told(observed(foreign=("Role pisync-acme",)))
    seen = observed(foreign=("CronJob pisync-acme",), status=after)
    assert summary(told(seen, after)[1]) == [("Warning", "NameConflict")]


def test_a_run_is_told_by_its_own_end_though_another_one_goes_on() -> None:
    """Not by the words of the one that has just begun."""
    seen = observed(report=report(run(uploaded=3)), jobs=(job(),))
    _, found = told(seen)
    assert summary(found) == [("Normal", "RunSucceeded")]
    assert "3 uploaded" in found[0]["note"]


def test_the_api_server_takes_the_longest() -> None:
    """A note has at most 1024 characters, a name 253."""
    long = REFUSED.model_copy(update={"message": "x" * 4096})
    for event in told(observed(report=long))[1]:
        assert len(event["note"]) <= 1024
        assert len(event["metadata"]["name"]) <= 253
