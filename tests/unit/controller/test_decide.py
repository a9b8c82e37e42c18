"""What the operator does about one resource, case by case (design, sections 3 and 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from profile_image_sync.api.allow import Allow
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.api.status import Outcome, Pause, ProfileImageSyncStatus, State
from profile_image_sync.controller import run_result
from profile_image_sync.controller.decide import Decision, Start, decide
from profile_image_sync.controller.snapshot import Blocker, Observed
from tests.support.snapshots import (
    BUSY,
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
    return decide(seen, run_result.latest(seen), Allow(), NOW, NEW)


STARTS = {
    "a new continuous resource": (observed(), True),
    "without runOnCreate it waits for the schedule": (observed({"runOnCreate": False}), False),
    "suspended": (observed({"suspend": True}), False),
    "a new one-off resource": (observed(ONE_OFF), True),
    "a one-off whose first sync is complete, re-created": (observed(ONE_OFF, header=DONE), False),
    "a run goes on": (observed(jobs=(job(),)), False),
    "its Job has ended, the report is on its way": (observed(jobs=(job(finished=NOW),)), False),
    "a Job stepped back for another run just now": (observed(jobs=(BUSY,)), False),
    "a Job stepped back for another run a minute ago": (
        observed(jobs=(replace(BUSY, finished=NOW - timedelta(minutes=1)),)), True,
    ),
    "a Job of a one-off stepped back just now": (observed(ONE_OFF, jobs=(BUSY,)), False),
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
    "of a one-off, too": (observed(ONE_OFF, report=report(run(Outcome.DRY_RUN))), True),
    "without runOnCreate it comes with the schedule": (
        observed({"runOnCreate": False}, report=report(run(Outcome.DRY_RUN))), False,
    ),
    "not where everyone has had theirs": (
        observed(header=DONE, report=report(run(Outcome.DRY_RUN))), False,
    ),
    "a one-off's dry run that failed": (
        observed({**ONE_OFF, "dryRun": True}, report=report(run(Outcome.FAILED), 30)), False,
    ),
    "continuous, made one-off before everyone had theirs": (
        observed(ONE_OFF, report=report(run(Outcome.FAILED), 30)), True,
    ),
    "one-off, made continuous": (observed(report=report(run(Outcome.FAILED), 30)), False),
    "one-off with a schedule": (observed({"mode": "OneOff"}), True),
    "one-off, suspended": (observed({**ONE_OFF, "suspend": True}), False),
    "one-off, its Job failed without a report": (
        observed(ONE_OFF, jobs=(job(finished=NOW - timedelta(minutes=2), failed=True),)), True,
    ),
    "its Job succeeded without a report": (
        observed(jobs=(job(finished=NOW - timedelta(hours=2)),)), False,
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
    "served by a Job that failed": (
        observed(ASKED, jobs=(job(requests=("now",), finished=NOW, failed=True),)), None,
    ),
    "not served by a Job that stepped back": (
        observed(
            ASKED,
            report=report(run()),
            jobs=(replace(BUSY, requests=("now",), finished=NOW - timedelta(minutes=1)),),
        ),
        ("now",),
    ),
    "nor at once": (
        observed(ASKED, report=report(run()), jobs=(replace(BUSY, requests=("now",)),)), None,
    ),
    "another one was served before": (
        observed(
            ASKED, annotation="then", header=HEADER.having_handled("now"), report=report(run())
        ),
        ("then",),
    ),
    "served before, and another one since": (
        observed(
            ASKED,
            annotation="then",
            report=report(run()),
            status=ProfileImageSyncStatus(
                last_run=run(),
                last_handled_run_request="then",
                handled_run_requests=("now", "then"),
            ),
        ),
        None,
    ),
    "of a one-off that is complete": (
        observed({**ONE_OFF, **ASKED}, header=DONE, report=report(run())), ("now",),
    ),
    "for the first run": (observed({**ONE_OFF, **ASKED}), ("now",)),
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
    assert first.pause == Pause(run="run-1", generation=1, references="v1")

    told = ProfileImageSyncStatus(last_run=REFUSED.run, pause=first.pause)
    assert decided(observed(report=REFUSED, status=told)).suspend
    assert not decided(observed(report=REFUSED, status=told, references="v2")).suspend
    newer = observed(report=REFUSED, status=told)
    assert not decided(replace(newer, tenant=replace(newer.tenant, generation=2))).suspend


def test_a_lifted_hold_does_not_come_back_by_itself() -> None:
    """After a mended Secret the schedule goes on, though the last report still says refused."""
    told = ProfileImageSyncStatus(last_run=REFUSED.run)
    assert not decided(observed(report=REFUSED, status=told)).suspend


def test_other_failures_leave_the_schedule_alone() -> None:
    """A brake, a missing base: the next slot looks again."""
    braked = report(run(Outcome.FAILED, generation=1), 20, "BrakeTripped")
    assert not decided(observed(report=braked)).suspend


KNOWN = ProfileImageSyncStatus(state=State(id=str(STATE)))
TROUBLES = {
    "the state is gone": (observed(header=None, status=KNOWN), "StateMissing"),
    "another state is there": (observed(header=StateHeader(id=NEW), status=KNOWN), "StateMismatch"),
    "an object in the way": (observed(foreign=("CronJob pisync-acme",)), "NameConflict"),
    "children of a former resource are still there": (
        observed(terminating=("Role pisync-acme",)),
        "Replacing",
    ),
    "the header cannot be read": (
        observed(
            {"firstSync": "Adopt"}, header=None, unreadable=Blocker("StateDamaged", "restore it")
        ),
        "StateDamaged",
    ),
    "shards without a header": (observed(header=None, shards=2), "StateMissing"),
    "shards without a header, whatever firstSync says": (
        observed({"firstSync": "Adopt"}, header=None, shards=2),
        "StateMissing",
    ),
    "a host that is not allowed, before there is a state": (
        observed({"highq": {**SPEC["highq"], "url": "https://evil.example/acme"}}, header=None),
        "HostNotAllowed",
    ),
    "a host that is not allowed": (
        observed({"highq": {**SPEC["highq"], "url": "https://evil.example/acme"}}),
        "HostNotAllowed",
    ),
}


@pytest.mark.parametrize("case", TROUBLES.values(), ids=TROUBLES.keys())
def test_while_blocked_nothing_starts_and_the_schedule_rests(case: tuple[Observed, str]) -> None:
    """Until a person has acted; no state is ever made anew by repair."""
    seen, reason = case
    decision = decided(seen)
    assert decision.blocker is not None
    assert decision.blocker.reason == reason
    assert decision.suspend
    assert decision.start is None
    assert (decision.state, decision.new_state) == (None, False)


def test_what_ends_by_itself_is_looked_at_again_soon() -> None:
    """A resource made anew waits for the garbage collector, seconds as a rule."""
    decision = decided(observed(terminating=("Role pisync-acme",)))
    assert decision.requeue_at == NOW + timedelta(seconds=2)


def test_a_request_is_not_lost_while_blocked() -> None:
    """It is served when nothing blocks it any more."""
    assert decided(observed(ASKED, foreign=("Role pisync-acme",))).start is None
    assert decided(observed(ASKED)).start == Start(("now",))


def test_a_state_is_made_once_before_the_first_run() -> None:
    """With a random id that status and every report echo."""
    decision = decided(observed(header=None))
    assert decision.new_state
    assert decision.state is not None
    assert decision.state.id == NEW


def test_adopting_is_the_way_out_of_a_lost_state() -> None:
    """A new state begins, and people's own pictures are left alone."""
    decision = decided(observed({"firstSync": "Adopt"}, header=None, status=KNOWN))
    assert decision.blocker is None
    assert decision.new_state


def test_a_retained_state_is_taken_up_again() -> None:
    """A re-created resource has no status; the state that is there is its own."""
    decision = decided(observed(header=DONE))
    assert (decision.state, decision.new_state) == (DONE, False)


def test_adopting_takes_the_state_that_is_there() -> None:
    """The way out of StateMismatch: nothing is made, nothing is removed."""
    other = StateHeader(id=NEW)
    decision = decided(observed({"firstSync": "Adopt"}, header=other, status=KNOWN))
    assert (decision.blocker, decision.state, decision.new_state) == (None, other, False)


def test_the_tries_of_a_one_off_are_further_apart_each_time() -> None:
    """One minute, two, four, up to an hour, though status remembers five runs only."""
    waits = []
    now, told = NOW, ProfileImageSyncStatus()
    for number in range(9):
        tried = run(Outcome.FAILED, id=f"run-{number}", start_time=now)
        tried = tried.model_copy(update={"completion_time": now + timedelta(seconds=20)})
        seen = observed(ONE_OFF, report=report(tried, 30), status=told)
        first = decided(seen).requeue_at
        told = ProfileImageSyncStatus(last_run=tried, history=(tried, *told.history)[:5])
        again = decided(replace(seen, status=told)).requeue_at
        assert first == again
        assert again is not None
        assert tried.completion_time is not None
        waits.append(round((again - tried.completion_time).total_seconds() / 60))
        now = again
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_dry_run_is_no_try() -> None:
    """What it found does not put off the real one."""
    dry = tuple(run(Outcome.DRY_RUN, id=f"dry-{number}") for number in range(3))
    told = ProfileImageSyncStatus(history=dry)
    failed = report(run(Outcome.FAILED, 0), 30)
    decision = decided(observed(ONE_OFF, report=failed, status=told))
    assert decision.requeue_at == NOW + timedelta(minutes=1)
