"""Status and conditions, from what the last run left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from profile_image_sync.api.status import (
    Condition,
    ConditionType,
    Outcome,
    ProfileImageSyncStatus,
    State,
)
from profile_image_sync.controller import outcome
from profile_image_sync.controller.observed import Observed
from profile_image_sync.controller.outcome import Trouble
from tests.support.observations import NOW, REFUSED, STATE, job, observed, report, run

KNOWN = ProfileImageSyncStatus(state=State(id=str(STATE)))


def status_of(seen: Observed, trouble: Trouble | None = None) -> ProfileImageSyncStatus:
    """Return the status as the reconciler writes it."""
    return outcome.status(seen, outcome.ending(seen), trouble, KNOWN, NOW)


def conditions(status: ProfileImageSyncStatus) -> dict[str, tuple[str, str]]:
    """Return status and reason by type."""
    return {c.type.value: (c.status.value, c.reason) for c in status.conditions}


def test_a_long_first_run_does_not_hold_up_who_waits_for_ready() -> None:
    """Ready speaks of spec and children; Synced tells that the run goes on."""
    told = conditions(status_of(observed(jobs=(job(),))))
    assert told == {
        "Ready": ("True", "Ready"),
        "Reconciling": ("False", "Reconciled"),
        "Stalled": ("False", "NotStalled"),
        "Synced": ("Unknown", "Running"),
    }


def test_a_run_that_succeeded_is_told_with_its_numbers() -> None:
    """lastRun, lastSuccessTime, history."""
    status = status_of(observed(report=report(run(uploaded=3, people=9))))
    assert conditions(status)["Synced"] == ("True", "Succeeded")
    assert status.last_run is not None
    assert (status.last_run.uploaded, status.last_success_time) == (
        3,
        status.last_run.completion_time,
    )
    assert status.history == (status.last_run,)


def test_a_run_that_needs_a_person_stalls() -> None:
    """Waiters fail fast, and the message is the run's own line."""
    told = conditions(status_of(observed(report=REFUSED)))
    assert told["Ready"] == ("False", "BindRefused")
    assert told["Stalled"] == ("True", "BindRefused")
    assert told["Synced"] == ("False", "Failed")


def test_a_run_that_may_be_tried_again_does_not_stall() -> None:
    """Nobody must act on a directory that was away."""
    away = report(run(Outcome.FAILED), 30, "DirectoryUnavailable")
    told = conditions(status_of(observed(report=away)))
    assert told["Ready"] == ("False", "DirectoryUnavailable")
    assert told["Stalled"] == ("False", "NotStalled")


def test_a_partial_failure_is_no_failure() -> None:
    """Ready stays, Synced tells."""
    told = conditions(status_of(observed(report=report(run(Outcome.PARTIAL_FAILURE)))))
    assert told["Ready"] == ("True", "Ready")
    assert told["Synced"] == ("False", "PartialFailure")


def test_a_job_without_a_report_is_told_by_its_own_words() -> None:
    """A pod that never started, a deadline: the run failed, and its Job is named."""
    dead = job(finished=NOW, failed=True, reason="DeadlineExceeded", message="was active too long")
    status = status_of(observed(jobs=(dead,)))
    assert conditions(status)["Ready"] == ("False", "DeadlineExceeded")
    (ready,) = [c for c in status.conditions if c.type is ConditionType.READY]
    assert "pisync-acme-1" in ready.message


def test_the_report_of_a_failed_try_does_not_count_while_the_job_goes_on() -> None:
    """backoffLimit: the next pod may end well."""
    tried = report(run(Outcome.FAILED).model_copy(update={"job": "job-1"}), 30, "HighQUnavailable")
    assert conditions(status_of(observed(report=tried, jobs=(job(),))))["Synced"][1] == "Running"


def test_trouble_is_told_whatever_the_last_run_did() -> None:
    """StateMissing and its like come first."""
    told = conditions(status_of(observed(report=report(run())), Trouble("StateMissing", "gone")))
    assert told["Ready"] == ("False", "StateMissing")
    assert told["Stalled"] == ("True", "StateMissing")


def test_a_transition_time_moves_only_when_the_status_flips() -> None:
    """Else the operator would reconcile itself for ever."""
    earlier = NOW - timedelta(hours=1)
    first = status_of(observed(report=report(run())))
    aged = tuple(_aged(c, earlier) for c in first.conditions)
    before = first.model_copy(update={"conditions": aged})

    same = status_of(observed(report=report(run()), status=before))
    assert {c.last_transition_time for c in same.conditions} == {earlier}

    failed = report(
        run(Outcome.FAILED, 1).model_copy(update={"id": "run-2"}), 30, "HighQUnavailable"
    )
    after = status_of(observed(report=failed, status=before))
    moved = {c.type.value for c in after.conditions if c.last_transition_time == NOW}
    assert moved == {"Ready", "Synced"}


def test_nothing_new_is_nothing_to_write() -> None:
    """The status of an idle resource is the same each time."""
    first = status_of(observed(report=report(run())))
    assert status_of(observed(report=report(run()), status=first)) == first


def test_history_keeps_five_runs() -> None:
    """The newest first."""
    status = ProfileImageSyncStatus()
    for number in range(7):
        ended = run(minutes_ago=60 - number).model_copy(update={"id": f"run-{number}"})
        status = status_of(observed(report=report(ended), status=status))
    assert [each.id for each in status.history] == [f"run-{n}" for n in (6, 5, 4, 3, 2)]


def test_a_suspended_resource_has_no_next_run() -> None:
    """And says so."""
    status = status_of(observed({"suspend": True}, report=report(run())))
    assert status.next_run_time is None
    assert conditions(status)["Synced"] == ("True", "Suspended")


def test_the_next_run_is_the_schedules() -> None:
    """@hourly at noon: one o'clock."""
    assert status_of(observed()).next_run_time == NOW + timedelta(hours=1)


def _aged(condition: Condition, when: Any) -> Condition:
    return condition.model_copy(update={"last_transition_time": when})
