"""Events: one for each transition, and none besides."""

from __future__ import annotations

import pytest

from profile_image_sync.api.status import Outcome, ProfileImageSyncStatus
from profile_image_sync.controller import events, run_result
from profile_image_sync.controller import status as statuses
from profile_image_sync.controller.actions import Action, Verb
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.events import Event
from profile_image_sync.controller.snapshot import Observed
from tests.support.snapshots import (
    NOW,
    REFUSED,
    asking,
    decided,
    job,
    observed,
    report,
    run,
    secret,
)

RESOURCE: Body = {"metadata": {"name": "a" * 40, "namespace": "tenant-acme", "uid": "uid-1"}}
NOTHING = ProfileImageSyncStatus()


def told(
    seen: Observed, before: ProfileImageSyncStatus = NOTHING
) -> tuple[ProfileImageSyncStatus, list[Event]]:
    """Return the new status and the events that it is worth."""
    last = run_result.latest(seen)
    after = statuses.status(seen, last, decided(seen), NOW)
    running = seen.active.name if seen.active else None
    return after, list(events.between(before, after, last, running))


def summary(found: list[Event]) -> list[tuple[str, str]]:
    """Return type and reason of each."""
    return [("Warning" if each.warning else "Normal", each.reason) for each in found]


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
    assert ("3 would be" if ended is Outcome.DRY_RUN else "3 uploaded") in found[0].note
    assert told(seen, after)[1] == []


def test_a_failure_is_told_by_one_event() -> None:
    """Named by its reason, with the Job: not once as a run's end and once as a stall."""
    after, found = told(observed(report=REFUSED))
    assert summary(found) == [("Warning", "BindRefused")]
    assert found[0].note.startswith("Job job-0: ")
    assert told(observed(report=REFUSED), after)[1] == []


def test_another_reason_is_told_again() -> None:
    """Stalled stays, for something else."""
    after, _ = told(observed(foreign=("Role pisync-acme",)))
    seen = observed(terminating=("Role pisync-acme",), status=after)
    after, found = told(seen, after)
    assert found == []
    seen = observed(header=None, shards=1, status=after)
    assert summary(told(seen, after)[1]) == [("Warning", "StateMissing")]


def test_that_a_run_starts_is_told() -> None:
    """With its Job, which leads to its pod and its log."""
    after, found = told(observed(jobs=(job(),)))
    assert summary(found) == [("Normal", "RunStarted")]
    assert "pisync-acme-1" in found[0].note
    assert told(observed(jobs=(job(),)), after)[1] == []


def test_that_a_request_was_taken_is_told() -> None:
    """Who asked sees that they were heard, and which Job answers."""
    seen = observed({"runRequest": "now"}, jobs=(job(requests=asking("now")),))
    assert summary(told(seen)[1]) == [("Normal", "RequestTaken"), ("Normal", "RunStarted")]


def test_that_a_pause_was_lifted_is_told() -> None:
    """The run that starts has a cause."""
    after, _ = told(observed(report=REFUSED, references=(secret(),)))
    mended = observed(report=REFUSED, references=(secret("v2"),), status=after)
    assert ("Normal", "PauseLifted") in summary(told(mended, after)[1])


def test_that_a_child_was_repaired_is_told() -> None:
    """Whoever edits it by hand learns why it does not last."""
    body = {"kind": "CronJob", "metadata": {"name": "pisync-acme"}}
    ours, theirs = Action(Verb.REPLACE, body), Action(Verb.REPLACE, body, repairs=True)
    (event,) = events.of_writes([ours, theirs])
    assert event.reason == "Repaired"
    assert "CronJob pisync-acme" in event.note


def test_a_run_is_told_by_its_own_end_though_another_one_goes_on() -> None:
    """Not by the words of the one that has just begun."""
    seen = observed(report=report(run(uploaded=3)), jobs=(job(),))
    _, found = told(seen)
    assert summary(found) == [("Normal", "RunSucceeded"), ("Normal", "RunStarted")]
    assert "3 uploaded" in found[0].note


def test_the_api_server_takes_the_longest() -> None:
    """A note has at most 1024 characters, a name 253; no two of one moment have one name."""
    long = REFUSED.model_copy(update={"message": "x" * 4096})
    found = [*told(observed(report=long))[1], Event("Second", "note")]
    bodies = [events.event_body(RESOURCE, each, NOW, number) for number, each in enumerate(found)]
    assert len({each["metadata"]["name"] for each in bodies}) == len(bodies)
    for body in bodies:
        assert len(body["note"]) <= 1024
        assert len(body["metadata"]["name"]) <= 253
