"""What the operator does about one resource, case by case (design, sections 3 and 4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profile_image_sync.api.allow import Allow
from profile_image_sync.api.state import StateHeader
from profile_image_sync.api.status import Hold, Outcome, ProfileImageSyncStatus, State
from profile_image_sync.controller import outcome
from profile_image_sync.controller.decide import Decision, decide
from profile_image_sync.controller.observed import Observed
from tests.support.observations import (
    DONE,
    HEADER,
    NEW,
    NOW,
    ONE_OFF,
    REFUSED,
    SPEC,
    STATE,
    job,
    observed,
    report,
    run,
)


def decided(seen: Observed) -> Decision:
    """Decide as the reconciler does."""
    return decide(seen, outcome.ending(seen), Allow(), NOW, NEW)


STARTS = {
    "a new continuous resource": (observed(), True),
    "without runOnCreate it waits for the schedule": (observed({"runOnCreate": False}), False),
    "suspended": (observed({"suspend": True}), False),
    "a new one-off resource": (observed(ONE_OFF), True),
    "a one-off whose first sync is complete, re-created": (observed(ONE_OFF, header=DONE), False),
    "a run goes on": (observed(jobs=(job(),)), False),
    "its Job has ended, the report is on its way": (observed(jobs=(job(finished=NOW),)), False),
    "a Job stepped back for another run": (
        observed(jobs=(job(finished=NOW, failed=True, message="exit code 10 matching"),)), True,
    ),
    "continuous, after its first run": (observed(report=report(run())), False),
    "one-off, not complete, a minute after the first try": (
        observed(ONE_OFF, report=report(run(Outcome.PARTIAL_FAILURE, 1.1))), True,
    ),
    "one-off, not complete, too soon after": (
        observed(ONE_OFF, report=report(run(Outcome.PARTIAL_FAILURE, 0.5))), False,
    ),
    "one-off, complete": (observed(ONE_OFF, header=DONE, report=report(run())), False),
    "one-off, a person must act": (observed(ONE_OFF, report=REFUSED), False),
    "a dry run is done once": (
        observed({"dryRun": True}, report=report(run(Outcome.DRY_RUN))), False,
    ),
    "the real run follows the dry one at once": (
        observed(report=report(run(Outcome.DRY_RUN))), True,
    ),
    "its Job is gone, status remembers the run": (
        observed(status=ProfileImageSyncStatus(last_run=run())), False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STARTS.values(), ids=STARTS.keys())
def test_a_run_starts_by_itself_when_it_is_due(case: tuple[Observed, bool]) -> None:
    """And never twice: a run is remembered in status and state, not by its Job."""
    seen, starts = case
    assert (decided(seen).start is not None) is starts


ASKED = {"runRequest": "now"}
REQUESTS = {
    "by the spec": (observed(ASKED, report=report(run())), ("now",)),
    "by the annotation": (observed(annotation="now", report=report(run())), ("now",)),
    "by both, in one run": (
        observed(ASKED, annotation="please", report=report(run())), ("now", "please"),
    ),
    "though suspended": (observed({**ASKED, "suspend": True}, report=report(run())), ("now",)),
    "though a person must act": (observed(ASKED, report=REFUSED), ("now",)),
    "not amid a run": (observed(ASKED, jobs=(job(),)), None),
    "served before, says the state": (
        observed(ASKED, header=HEADER.having_handled("now"), report=report(run())), None,
    ),
    "served before, says status": (
        observed(
            ASKED,
            status=ProfileImageSyncStatus(last_run=run(), last_handled_run_request="now"),
        ),
        None,
    ),
    "served by a Job that has ended": (
        observed(ASKED, jobs=(job(requests=("now",), finished=NOW),)), None,
    ),
    "empty is no request": (observed({"runRequest": ""}, report=report(run())), None),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS.keys())
def test_each_new_request_is_served_by_one_run(
    case: tuple[Observed, tuple[str, ...] | None],
) -> None:
    """Whatever the schedule says; pending ones share a run that starts after they were seen."""
    seen, served = case
    start = decided(seen).start
    assert (start.requests if start else None) == served


def test_refused_credentials_suspend_the_schedule_until_something_changes() -> None:
    """Retries lock accounts: spec, Secret or a request lifts it."""
    first = decided(observed(report=REFUSED))
    assert first.suspend
    assert first.hold == Hold(run="run-1", generation=1, references="v1")

    told = ProfileImageSyncStatus(last_run=REFUSED.run, hold=first.hold)
    assert decided(observed(report=REFUSED, status=told)).suspend
    assert not decided(observed(report=REFUSED, status=told, references="v2")).suspend
    newer = observed(report=REFUSED, status=told)
    assert not decided(replace(newer, tenant=replace(newer.tenant, generation=2))).suspend


def test_a_lifted_hold_does_not_come_back_by_itself() -> None:
    """After a mended Secret the schedule goes on, though the last report still says refused."""
    told = ProfileImageSyncStatus(last_run=REFUSED.run)
    assert not decided(observed(report=REFUSED, status=told)).suspend


def test_other_trouble_of_a_run_leaves_the_schedule_alone() -> None:
    """A brake, a missing base: the next slot looks again."""
    braked = report(run(Outcome.FAILED, generation=1), 20, "BrakeTripped")
    assert not decided(observed(report=braked)).suspend


KNOWN = ProfileImageSyncStatus(state=State(id=str(STATE)))
TROUBLES = {
    "the state is gone": (observed(header=None, status=KNOWN), "StateMissing"),
    "another state is there": (observed(header=StateHeader(id=NEW), status=KNOWN), "StateMismatch"),
    "an object in the way": (observed(strangers=("CronJob pisync-acme",)), "NameConflict"),
    "a host that is not allowed": (
        observed({"highq": {**SPEC["highq"], "url": "https://evil.example/acme"}}),
        "HostNotAllowed",
    ),
}


@pytest.mark.parametrize("case", TROUBLES.values(), ids=TROUBLES.keys())
def test_in_trouble_nothing_starts_and_the_schedule_rests(case: tuple[Observed, str]) -> None:
    """Until a person has acted; no state is ever made anew by repair."""
    seen, reason = case
    decision = decided(seen)
    assert decision.trouble is not None
    assert decision.trouble.reason == reason
    assert decision.suspend
    assert decision.start is None
    assert not decision.new_state


def test_a_state_is_made_once_before_the_first_run() -> None:
    """With a random id that status and every report echo."""
    decision = decided(observed(header=None))
    assert decision.new_state
    assert decision.state is not None
    assert decision.state.id == NEW


def test_adopting_is_the_way_out_of_a_lost_state() -> None:
    """A new state begins, and people's own pictures are left alone."""
    decision = decided(observed({"firstSync": "Adopt"}, header=None, status=KNOWN))
    assert decision.trouble is None
    assert decision.new_state


def test_a_retained_state_is_taken_up_again() -> None:
    """A re-created resource has no status; the state that is there is its own."""
    decision = decided(observed(header=DONE))
    assert (decision.state, decision.new_state) == (DONE, False)


def test_the_tries_of_a_one_off_are_further_apart_each_time() -> None:
    """One minute, two, four, up to an hour."""
    waits = []
    for tries in range(1, 9):
        history = tuple(run().model_copy(update={"id": str(n)}) for n in range(tries - 1))
        told = ProfileImageSyncStatus(history=history[:5])
        seen = observed(ONE_OFF, report=report(run(Outcome.FAILED, 0)), status=told)
        again = decided(seen).look_again
        assert again is not None
        waits.append((again - NOW).total_seconds() / 60)
    assert waits == [1, 2, 4, 8, 16, 32, 32, 32]
