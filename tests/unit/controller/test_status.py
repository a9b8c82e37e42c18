"""Status and conditions, from what the last run left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from profile_image_sync.api.report import Report
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.api.status import (
    Condition,
    ConditionType,
    Outcome,
    ProfileImageSyncStatus,
    Run,
    State,
)
from profile_image_sync.controller import run_result
from profile_image_sync.controller import status as statuses
from profile_image_sync.controller.evidence import Evidence, Problem
from profile_image_sync.controller.snapshot import Observed
from tests.support.snapshots import (
    BUSY,
    DONE,
    NEW,
    NOW,
    ONE_OFF,
    REFUSED,
    STATE,
    asking,
    decided,
    job,
    observed,
    report,
    run,
    secret,
)


def status_of(seen: Observed) -> ProfileImageSyncStatus:
    """Return the status as the reconciler writes it."""
    return statuses.status(seen, run_result.latest(seen), decided(seen), NOW)


def by_type(status: ProfileImageSyncStatus) -> dict[str, tuple[str, str]]:
    """Return status and reason by type."""
    return {c.type.value: (c.status.value, c.reason) for c in status.conditions}


def test_a_resource_is_not_ready_before_a_run_got_through_planning() -> None:
    """`kubectl wait` must not be green on a tenant that cannot work."""
    for seen in (observed(), observed(jobs=(job(),)), observed(jobs=(BUSY,))):
        told = by_type(status_of(seen))
        assert told["Ready"] == ("Unknown", "FirstRunPending")
        assert told["Reconciling"] == ("True", "FirstRunPending")
        assert told["Stalled"] == ("False", "NotStalled")


def test_a_long_first_run_does_not_hold_up_who_waits_for_ready() -> None:
    """Once it has planned, it has shown that the tenant can work; Synced tells how far it is."""
    planned = run(uploaded=3, to_upload=7, people=12, job="pisync-acme-1")
    planned = planned.model_copy(update={"completion_time": None, "outcome": None})
    status = status_of(observed(jobs=(job(),), report=report(planned)))
    assert by_type(status) == {
        "Ready": ("True", "Ready"),
        "Reconciling": ("False", "Reconciled"),
        "Stalled": ("False", "NotStalled"),
        "Synced": ("Unknown", "Running"),
    }
    assert "3 of 10 uploads done" in synced(status).message


@pytest.mark.parametrize(
    "seen",
    [observed({"suspend": True}), observed({"runOnCreate": False}), observed(ONE_OFF, header=DONE)],
    ids=["suspended", "runOnCreate: false", "one-off, complete"],
)
def test_a_resource_of_which_no_run_is_due_is_ready(seen: Observed) -> None:
    """Synced says what it waits for."""
    assert by_type(status_of(seen))["Ready"] == ("True", "Ready")


def test_a_run_that_succeeded_is_told_with_its_numbers() -> None:
    """lastRun, lastSuccessTime, history."""
    status = status_of(observed(report=report(run(uploaded=3, people=9))))
    assert by_type(status)["Synced"] == ("True", "Succeeded")
    assert status.last_run is not None
    assert (status.last_run.uploaded, status.last_success_time) == (
        3,
        status.last_run.completion_time,
    )
    assert status.history == (status.last_run,)


def test_a_run_that_needs_a_person_stalls() -> None:
    """Waiters fail fast, and the message is the run's own line."""
    told = by_type(status_of(observed(report=REFUSED)))
    assert told["Ready"] == ("False", "BindRefused")
    assert told["Stalled"] == ("True", "BindRefused")
    assert told["Synced"] == ("False", "Failed")


def test_a_run_that_may_be_tried_again_does_not_stall() -> None:
    """Nobody must act on a directory that was away."""
    away = report(run(Outcome.FAILED), 30, "DirectoryUnavailable")
    told = by_type(status_of(observed(report=away)))
    assert told["Ready"] == ("False", "DirectoryUnavailable")
    assert told["Stalled"] == ("False", "NotStalled")


def test_a_partial_failure_is_no_failure() -> None:
    """Ready stays, Synced tells."""
    told = by_type(status_of(observed(report=report(run(Outcome.PARTIAL_FAILURE)))))
    assert told["Ready"] == ("True", "Ready")
    assert told["Synced"] == ("False", "PartialFailure")


def test_a_job_without_a_report_is_told_by_its_own_words() -> None:
    """A pod that never started, a deadline: the run failed, and its Job is named."""
    dead = job(finished=NOW, failed=True, reason="DeadlineExceeded")
    status = status_of(observed(jobs=(dead,)))
    assert by_type(status)["Ready"] == ("False", "DeadlineExceeded")
    (ready,) = [c for c in status.conditions if c.type is ConditionType.READY]
    assert "pisync-acme-1" in ready.message


def test_a_worker_that_could_not_even_read_its_run_spec_is_told() -> None:
    """It knows no time and no numbers: its Job's end counts."""
    left = Report(
        run=Run(id="1", outcome=Outcome.FAILED), exit_code=20, reason="InvalidSpec", message="no."
    )
    evidence = Evidence(pods=1, started=True, exit_code=20, report=left)
    dead = job(finished=NOW, failed=True, reason="PodFailurePolicy", evidence=evidence)
    assert by_type(status_of(observed(jobs=(dead,))))["Stalled"] == ("True", "InvalidSpec")


def test_a_run_that_is_killed_amid_its_uploads_is_told_as_that() -> None:
    """The report that it wrote before has no end; no run starts as if none had been."""
    planned = run(uploaded=3, to_upload=7, job="pisync-acme-1")
    planned = planned.model_copy(update={"completion_time": None, "outcome": None})
    killed = Problem("OOMKilled", "the worker ran out of memory", human=True)
    dead = job(finished=NOW, failed=True, reason="BackoffLimitExceeded",
               evidence=Evidence(pods=1, started=True, problem=killed))  # fmt: skip
    seen = observed(jobs=(dead,), report=report(planned))
    assert by_type(status_of(seen))["Stalled"] == ("True", "OOMKilled")
    assert decided(seen).start is None


def test_a_run_that_could_no_longer_write_its_report_is_told_by_its_pod() -> None:
    """Its progress is there, its end only in the termination message."""
    planned = run(uploaded=1, job="pisync-acme-1").model_copy(
        update={"completion_time": None, "outcome": None}
    )
    left = Evidence(pods=1, started=True, exit_code=0, report=report(run(uploaded=9)))
    status = status_of(observed(jobs=(job(finished=NOW, evidence=left),), report=report(planned)))
    assert status.last_run is not None
    assert (status.last_run.outcome, status.last_run.uploaded) == (Outcome.SUCCEEDED, 9)


def test_the_report_of_a_failed_try_does_not_count_while_the_job_goes_on() -> None:
    """backoffLimit: the next pod may end well."""
    tried = report(run(Outcome.FAILED).model_copy(update={"job": "job-1"}), 30, "HighQUnavailable")
    assert by_type(status_of(observed(report=tried, jobs=(job(),))))["Synced"][1] == "Running"


def test_a_blocker_is_told_whatever_the_last_run_did() -> None:
    """StateMissing and its like come first."""
    lost = ProfileImageSyncStatus(state=State(id=str(STATE)))
    told = by_type(status_of(observed(report=report(run()), header=None, status=lost)))
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
    assert by_type(status)["Synced"] == ("True", "Suspended")


def test_the_next_run_is_the_schedules() -> None:
    """@hourly at noon: one o'clock."""
    assert status_of(observed()).next_run_time == NOW + timedelta(hours=1)


def _aged(condition: Condition, when: Any) -> Condition:
    return condition.model_copy(update={"last_transition_time": when})


def test_a_job_that_succeeded_without_a_report_is_told_as_well() -> None:
    """Its numbers are lost, not the run: a one-off must not take it for none."""
    done = job(finished=NOW, requests=asking("now"))
    status = status_of(observed({"runRequest": "now"}, jobs=(done,)))
    assert by_type(status)["Synced"] == ("True", "Succeeded")
    assert "lost" in synced(status).message
    assert status.last_handled_run_request == "now"


def test_a_run_that_status_tells_of_is_not_taken_for_lost_when_a_later_one_reports() -> None:
    """A try of the Job that goes on has overwritten its report; history must not show it twice."""
    ended = run(Outcome.FAILED, job="job-0", id="run-0")
    before = status_of(observed(report=report(ended, 30, "HighQUnavailable")))
    old = job(name="old", uid="job-0", finished=NOW - timedelta(minutes=9), failed=True)
    tried = report(run(Outcome.FAILED, 1, job="job-1", id="run-1"), 30, "HighQUnavailable")
    after = status_of(observed(report=tried, jobs=(old, job()), status=before))
    assert [each.id for each in after.history] == ["run-0"]


def test_a_later_run_counts_though_an_earlier_job_left_no_report() -> None:
    """The newest ending is what status tells."""
    dead = job(
        name="pisync-acme-dead",
        uid="dead",
        created=NOW - timedelta(minutes=30),
        finished=NOW - timedelta(minutes=20),
        failed=True,
        reason="Deadline",
    )
    assert by_type(status_of(observed(jobs=(dead,), report=report(run()))))["Ready"][0] == "True"


def test_a_busy_run_is_not_told() -> None:
    """It did nothing."""
    status = status_of(observed(jobs=(BUSY,)))
    assert (status.last_run, status.history) == (None, ())
    assert by_type(status)["Synced"][1] == "NeverRun"


def test_status_remembers_a_run_whose_report_is_gone() -> None:
    """The report was removed by hand: nothing of the last run is forgotten."""
    before = status_of(observed(report=REFUSED))
    after = status_of(observed(status=before))
    assert after.last_run == before.last_run
    assert by_type(after)["Stalled"] == ("True", "BindRefused")


def test_when_a_pause_is_lifted_nobody_must_act() -> None:
    """The Secret was mended: Stalled ends, and Ready waits for the run that starts."""
    before = status_of(observed(report=REFUSED, references=(secret(),)))
    assert before.pause
    after = status_of(observed(report=REFUSED, status=before, references=(secret("v2"),)))
    assert after.pause is None
    assert by_type(after)["Stalled"] == ("False", "NotStalled")
    assert by_type(after)["Ready"] == ("Unknown", "NotTriedYet")


def test_a_blocker_stays_until_someone_acts() -> None:
    """What is told does not change what is known: another state is another one the next time, too."""
    lost = ProfileImageSyncStatus(state=State(id=str(STATE)))
    other = StateHeader(id=NEW)
    first = status_of(observed(header=other, status=lost))
    again = status_of(observed(header=other, status=first))
    assert by_type(again)["Stalled"] == ("True", "StateMismatch")
    assert again.state == lost.state


def test_a_blocker_before_the_first_run_invents_no_state() -> None:
    """Else the resource would miss it ever after."""
    status = status_of(observed(header=None, foreign=("Role pisync-acme",)))
    assert status.state is None
    assert by_type(status_of(observed(header=None, status=status)))["Stalled"][0] == "False"


def test_what_ends_by_itself_does_not_stall() -> None:
    """Children of a former resource are being collected: Reconciling."""
    told = by_type(status_of(observed(terminating=("Role pisync-acme",))))
    assert told["Ready"] == ("False", "Replacing")
    assert told["Reconciling"] == ("True", "Replacing")
    assert told["Stalled"] == ("False", "NotStalled")


def test_the_state_is_the_one_that_the_last_run_measured() -> None:
    """People, shards and bytes; a report of another state is no measure."""
    mine, others = State(id=str(STATE), people=7, shards=1), State(id=str(NEW), people=9)
    for measured, told in ((mine, mine), (others, State(id=str(STATE)))):
        ended = report(run()).model_copy(update={"state": measured})
        assert status_of(observed(report=ended)).state == told


def test_requests_are_told_by_source_and_phase() -> None:
    """`kubectl get -o yaml` answers: was my request taken, and is it done."""
    asked = observed({"runRequest": "now"}, annotation="then", jobs=(job(requests=asking("now")),))
    assert [(r.source.value, r.phase.value, r.job) for r in status_of(asked).run_requests] == [
        ("Spec", "Running", "pisync-acme-1"),
        ("Annotation", "Pending", None),
    ]
    taken = status_of(observed({"runRequest": "now"})).run_requests
    assert [(r.phase.value, (r.job or "")[:12]) for r in taken] == [("Running", "pisync-acme-")]


def test_a_dry_run_leaves_the_column_uploaded_empty() -> None:
    """It says what would be uploaded, and nothing was."""
    ended = run(Outcome.DRY_RUN, people=40, to_upload=30, unchanged=10)
    status = status_of(observed({"dryRun": True}, report=report(ended)))
    assert "30 would be uploaded" in synced(status).message
    stored = statuses.to_json(status)
    assert "uploaded" not in stored["lastRun"]
    assert stored["lastRun"]["toUpload"] == 30


def test_the_numbers_of_a_run_add_up_to_the_people() -> None:
    """Nobody is left out of the message, whatever stopped the run."""
    ended = run(Outcome.PARTIAL_FAILURE, people=20, uploaded=5, unmatched=3, to_upload=4)
    message = synced(status_of(observed(report=report(ended)))).message
    assert "5 uploaded, 4 still to upload, 3 without a HighQ user, 8 not reached" in message


def test_a_one_off_that_was_completed_before_says_so() -> None:
    """Re-created, it has nothing to do; `NeverRun` would send people looking for a fault."""
    status = status_of(observed(ONE_OFF, header=DONE))
    assert by_type(status)["Synced"] == ("True", "Succeeded")
    assert "nothing to do" in synced(status).message


def test_a_change_that_was_not_tried_is_not_judged() -> None:
    """Suspended: the message of the old spec's failure is not the new spec's."""
    seen = observed({"suspend": True}, report=REFUSED)
    seen = replace(seen, tenant=replace(seen.tenant, generation=2))
    status = status_of(seen)
    (ready,) = [each for each in status.conditions if each.type is ConditionType.READY]
    assert ready.reason == "NotTriedYet"
    assert "spec.suspend" in ready.message
    assert by_type(status)["Stalled"][0] == "True"


@pytest.mark.parametrize(
    ("seen", "waits"),
    [
        (observed(report=report(run())), True),
        (observed(report=report(run(Outcome.FAILED, generation=1), 20, "BrakeTripped")), True),
        (observed(report=REFUSED), False),
        (observed({"suspend": True}), False),
        (observed(foreign=("Role pisync-acme",)), False),
        (observed({"mode": "OneOff", "schedule": None}), False),
    ],
    ids=["as a rule", "braked", "refused", "suspended", "blocked", "no schedule"],
)
def test_a_next_run_is_told_when_the_schedule_goes_on(seen: Observed, waits: bool) -> None:
    """And only then."""
    assert (status_of(seen).next_run_time is not None) is waits


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (observed({"suspend": True}), "Suspended"),
        (observed({"runOnCreate": False}), "WaitingForSchedule"),
        (observed(), "Running"),
        (observed(jobs=(BUSY,)), "NeverRun"),
        (observed({"dryRun": True}, report=report(run(Outcome.DRY_RUN))), "DryRun"),
        (observed({"suspend": True}, jobs=(job(),)), "Running"),
    ],
)
def test_synced_tells_what_goes_on(seen: Observed, reason: str) -> None:
    """The column STATUS of kubectl get."""
    assert by_type(status_of(seen))["Synced"][1] == reason


def synced(status: ProfileImageSyncStatus) -> Condition:
    """Return how the last run went."""
    (found,) = [each for each in status.conditions if each.type is ConditionType.SYNCED]
    return found
