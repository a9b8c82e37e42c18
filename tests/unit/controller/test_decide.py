"""What the operator does about one resource, case by case (design, sections 3 and 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from profile_image_sync.api.report import Report
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.api.status import (
    Brake,
    Outcome,
    Pause,
    ProfileImageSyncStatus,
    RequestPhase,
    RequestSource,
    RunRequest,
    State,
    Trigger,
)
from profile_image_sync.controller import run_result
from profile_image_sync.controller import status as statuses
from profile_image_sync.controller.evidence import Evidence, Problem
from profile_image_sync.controller.manifests import template_digest
from profile_image_sync.controller.pauses import fingerprint
from profile_image_sync.controller.snapshot import (
    Blocker,
    JobView,
    Observed,
    OtherState,
    Reference,
    ServedRequest,
)
from tests.support.snapshots import (
    BUSY,
    DONE,
    HEADER,
    NEW,
    NOW,
    ONE_OFF,
    REFUSED,
    SETTINGS,
    SPEC,
    STATE,
    asking,
    decided,
    job,
    observed,
    report,
    run,
    secret,
)

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
    "one-off, made continuous": (observed(header=DONE, report=report(run(Outcome.FAILED), 30)), False),
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


def done(value: str, source: RequestSource = RequestSource.SPEC) -> ProfileImageSyncStatus:
    """Return the status of a resource of which this request is done."""
    request = RunRequest(source=source, value=value, phase=RequestPhase.DONE, job="job-0")
    return ProfileImageSyncStatus(last_run=run(), run_requests=(request,))


def tried(value: str) -> ProfileImageSyncStatus:
    """Return the status of a resource whose request a Job has taken."""
    phase = RequestPhase.RUNNING
    request = RunRequest(source=RequestSource.SPEC, value=value, phase=phase, job="pisync-acme-1")
    return ProfileImageSyncStatus(last_run=run(), run_requests=(request,))


A_MINUTE_AGO = NOW - timedelta(minutes=1)
REQUESTS = {
    "by the spec": (observed(ASKED, report=report(run())), ("now",)),
    "by the annotation": (observed(annotation="now", report=report(run())), ("now",)),
    "by both, in one run": (
        observed(ASKED, annotation="please", report=report(run())), ("now", "please"),
    ),
    "by both with one word": (
        observed(ASKED, annotation="now", report=report(run())), ("now", "now"),
    ),
    "though suspended": (observed({**ASKED, "suspend": True}, report=report(run())), ("now",)),
    "though a person must act": (observed(ASKED, report=REFUSED), ("now",)),
    "not amid a run": (observed(ASKED, jobs=(job(),)), None),
    "served before, says status": (observed(ASKED, status=done("now")), None),
    "served before, says the state of a re-created resource": (
        observed(ASKED, header=HEADER.having_handled("now"), report=report(run())), None,
    ),
    "served before, says the status of the first version": (
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
    "a value that was served before another one": (
        observed(ASKED, header=HEADER.having_handled("now"), status=done("then")), ("now",),
    ),
    "the word that the other source used: each asks for itself": (
        observed(
            ASKED,
            header=HEADER.having_handled("now"),
            status=done("now", RequestSource.ANNOTATION),
        ),
        ("now",),
    ),
    "served by a Job that has ended": (
        observed(ASKED, jobs=(job(requests=asking("now"), finished=NOW),)), None,
    ),
    "served by a Job that failed": (
        observed(ASKED, jobs=(job(requests=asking("now"), finished=NOW, failed=True),)), None,
    ),
    "served by a Job of the first version": (
        observed(ASKED, jobs=(job(requests=(ServedRequest(None, "now"),), finished=NOW),)), None,
    ),
    "not served by a Job that stepped back": (
        observed(
            ASKED,
            report=report(run()),
            jobs=(replace(BUSY, requests=asking("now"), finished=A_MINUTE_AGO),),
        ),
        ("now",),
    ),
    "nor at once": (
        observed(ASKED, report=report(run()), jobs=(replace(BUSY, requests=asking("now")),)), None,
    ),
    "not served by a worker of the first version that stepped back": (
        observed(
            ASKED,
            report=report(run()),
            jobs=(
                job(
                    requests=asking("now"),
                    finished=A_MINUTE_AGO,
                    failed=True,
                    evidence=Evidence(pods=1, started=True, exit_code=10),
                ),
            ),
        ),
        ("now",),
    ),
    "not served by a Job that never got a pod": (
        observed(
            ASKED,
            report=report(run()),
            jobs=(
                job(
                    requests=asking("now"),
                    finished=A_MINUTE_AGO,
                    failed=True,
                    reason="DeadlineExceeded",
                    evidence=Evidence(),
                ),
            ),
        ),
        ("now",),
    ),
    "not served by a Job that was deleted": (
        observed(ASKED, report=report(run()), status=tried("now")), ("now",),
    ),
    "served by a Job that is gone, says the report": (
        observed(ASKED, report=report(run(job="pisync-acme-1")), status=tried("now")), None,
    ),
    "served by a Job that is gone, says the state": (
        observed(
            ASKED,
            header=HEADER.having_handled("now"),
            report=report(run()),
            status=tried("now"),
        ),
        None,
    ),
    "its report was overwritten, its pod tells": (
        observed(
            ASKED,
            report=report(run()),
            status=tried("now"),
            jobs=(
                job(
                    requests=asking("now"),
                    finished=A_MINUTE_AGO,
                    evidence=Evidence(pods=1, started=True, exit_code=0, report=report(run(id="1"))),
                ),
            ),
        ),
        None,
    ),
    "of a one-off that is complete": (
        observed({**ONE_OFF, **ASKED}, header=DONE, report=report(run())), ("now",),
    ),
    "for the first run": (observed({**ONE_OFF, **ASKED}), ("now",)),
    "empty is no request": (observed({"runRequest": ""}, report=report(run())), None),
    "withdrawn": (observed({"runRequest": ""}, status=tried("now"), report=report(run())), None),
    "asked again after it was withdrawn": (observed(ASKED, status=done("now")), None),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS.keys())
def test_each_new_request_is_served_by_one_run(
    case: tuple[Observed, tuple[str, ...] | None],
) -> None:
    """Whatever the schedule says; pending ones share a run that starts after they were seen."""
    seen, served = case
    start = decided(seen).start
    assert (tuple(each.value for each in start.requests) if start else None) == served


def test_a_repeated_decision_names_the_same_job() -> None:
    """A create that is repeated, or made by two replicas, makes one Job."""
    first, again = decided(observed(ASKED)).start, decided(observed(ASKED)).start
    assert first is not None
    assert first == again


def test_a_job_that_served_nothing_is_followed_by_another_one() -> None:
    """Of another name: the first one's is taken."""
    first = decided(observed(ASKED)).start
    stepped_back = replace(BUSY, requests=asking("now"), finished=A_MINUTE_AGO)
    second = decided(observed(ASKED, jobs=(stepped_back,))).start
    assert first is not None
    assert second is not None
    assert first.run_id != second.run_id


def test_refused_credentials_suspend_the_schedule_until_something_changes() -> None:
    """Retries lock accounts: spec, Secret or a request lifts it, and a run starts at once."""
    first = decided(observed(report=REFUSED, references=(secret(),)))
    assert first.suspend
    assert first.start is None
    assert first.pause is not None
    assert (first.pause.run, first.pause.generation) == ("run-1", 1)

    told = ProfileImageSyncStatus(last_run=REFUSED.run, pause=first.pause)
    same = observed(report=REFUSED, status=told, references=(secret(),))
    assert decided(same).suspend
    assert decided(same).requeue_at == NOW + timedelta(seconds=20)
    for mended in (
        replace(same, references=(secret("v2"),)),
        replace(same, tenant=replace(same.tenant, generation=2)),
    ):
        decision = decided(mended)
        assert not decision.suspend
        assert decision.pause is None
        assert decision.start is not None
        assert decision.start.trigger is Trigger.RETRY


def test_a_secret_that_was_mended_while_the_operator_was_away_lifts_the_pause() -> None:
    """It changed after the run began: what that run had is not what is there now."""
    began = REFUSED.run.start_time
    assert began is not None
    mended = secret(changed=began + timedelta(seconds=1))
    decision = decided(observed(report=REFUSED, references=(mended,)))
    assert decision.pause is None
    assert decision.start is not None


def refused_job(scheduled: bool = False, **facts: Any) -> JobView:
    """Return the Job of the refused run."""
    return job(name="job-0", finished=NOW, failed=True, scheduled=scheduled, **facts)


HAD = fingerprint([secret()])
LATER = NOW + timedelta(seconds=1)
TRIES_AGAIN = {
    "what its Job had, though written in the same second or later": (
        refused_job(references=HAD), secret(changed=LATER), False,
    ),
    "another version than its Job had, though it is older": (
        refused_job(references=HAD), secret("v2"), True,
    ),
    "not there when its Job was made, and there now": (
        refused_job(references=fingerprint([secret("")])), secret(), True,
    ),
    "a Job of the schedule knows no versions: changed before it": (
        refused_job(scheduled=True), secret(changed=NOW - timedelta(minutes=6)), False,
    ),
    "a Job of the schedule: changed in the second that it was made": (
        refused_job(scheduled=True), secret(changed=NOW - timedelta(minutes=5)), True,
    ),
    "a Job of a later version, which takes other digests": (
        refused_job(references="other-1"), secret(changed=NOW - timedelta(minutes=6)), False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TRIES_AGAIN.values(), ids=TRIES_AGAIN.keys())
def test_a_refused_run_is_tried_again_only_with_other_secrets_than_it_had(
    case: tuple[JobView, Reference, bool],
) -> None:
    """Known by their versions; by times, which are whole seconds, only where nobody noted them."""
    failed, now_there, again = case
    decision = decided(observed(report=REFUSED, jobs=(failed,), references=(now_there,)))
    assert (decision.start is not None) is again
    assert (decision.pause is None) is again


def test_an_update_of_the_operator_lifts_no_pause() -> None:
    """The digest that a Job bears must be found again by the next version."""
    assert HAD == "data-920075af778416ce"


FOR_PEOPLE = ["AuthorisationExpired", "BindRefused", "DirectoryUntrusted", "StateMissing"]


@pytest.mark.parametrize("reason", FOR_PEOPLE)
def test_what_needs_a_person_is_not_tried_again_by_itself(reason: str) -> None:
    """Whatever it is: the same run would end alike."""
    failed = report(run(Outcome.FAILED, generation=1), 20, reason)
    decision = decided(observed(report=failed, references=(secret(),)))
    assert decision.pause is not None
    assert decision.start is None


def test_what_passes_by_itself_is_no_pause() -> None:
    """The schedule goes on: the directory may be back by then."""
    failed = report(run(Outcome.FAILED, generation=1), 30, "DirectoryUnavailable")
    decision = decided(observed(report=failed, header=DONE))
    assert decision.pause is None
    assert not decision.suspend


@pytest.mark.parametrize("other", ["run-0", "run-2"])
def test_a_pause_of_another_run_says_nothing_of_this_one(other: str) -> None:
    """It is left from a run before, of other Secrets than the last one had."""
    pause = Pause(run=other, generation=1, references=fingerprint([secret("v0")]))
    told = ProfileImageSyncStatus(last_run=REFUSED.run, pause=pause)
    assert decided(observed(report=REFUSED, status=told, references=(secret(),))).start is None


def test_a_resource_restored_from_a_backup_is_another_spec() -> None:
    """Its generation may be lower than that of the run that failed."""
    failed = report(run(Outcome.FAILED, generation=7), 20, "InvalidSpec")
    assert decided(observed(report=failed, references=(secret(),))).start is not None


def test_a_status_that_lost_its_pause_does_not_lift_it() -> None:
    """An older CRD drops the field; the report still tells, and the Secret is as old as it was."""
    told = ProfileImageSyncStatus(last_run=REFUSED.run)
    decision = decided(observed(report=REFUSED, status=told, references=(secret(),)))
    assert decision.suspend
    assert decision.start is None


def test_a_pause_of_the_first_version_is_carried_over() -> None:
    """Its digest was made otherwise: no account is tried again because of an upgrade."""
    pause = Pause(run="run-1", generation=1, references="0123456789abcdef")
    told = ProfileImageSyncStatus(last_run=REFUSED.run, pause=pause)
    decision = decided(observed(report=REFUSED, status=told, references=(secret(),)))
    assert decision.suspend
    assert decision.start is None


BRAKED = Report(
    run=run(Outcome.FAILED, generation=1),
    exit_code=20,
    reason="BrakeTripped",
    brake=Brake(id="b-1", reason="Changed", message="60 % changed"),
)
TOLD_OF_BRAKE = ProfileImageSyncStatus(last_run=BRAKED.run, brake=BRAKED.brake)


def test_a_brake_does_not_suspend() -> None:
    """The next scheduled run judges anew."""
    decision = decided(observed(report=BRAKED, status=TOLD_OF_BRAKE))
    assert not decision.suspend
    assert decision.start is None


@pytest.mark.parametrize("suspended", [False, True])
def test_an_acknowledgement_starts_a_run_at_once(suspended: bool) -> None:
    """By field or annotation; who acknowledges while the schedule is suspended wants that run."""
    spec = {"safety": {"acknowledge": "b-0 b-1"}, "suspend": suspended}
    decision = decided(observed(spec, report=BRAKED, status=TOLD_OF_BRAKE))
    assert decision.start is not None
    assert decision.start.trigger is Trigger.RETRY


def test_an_acknowledgement_of_another_brake_starts_nothing() -> None:
    """Ids are random: an old one lets nothing through."""
    spec = {"safety": {"acknowledge": "b-0"}}
    assert decided(observed(spec, report=BRAKED, status=TOLD_OF_BRAKE)).start is None


def test_a_run_that_its_deadline_ended_is_continued_at_once() -> None:
    """It ended by itself in time; the rest follows."""
    ended = report(run(Outcome.PARTIAL_FAILURE, 0, uploaded=9, to_upload=3), 0, "DeadlineReached")
    start = decided(observed(report=ended)).start
    assert start is not None
    assert start.trigger is Trigger.RETRY


def test_a_run_that_got_nowhere_is_not_continued_for_ever() -> None:
    """Without one upload in all its time the next would fare alike."""
    ended = report(run(Outcome.PARTIAL_FAILURE, 0, to_upload=3), 0, "DeadlineReached")
    assert decided(observed(report=ended, header=DONE)).start is None


def test_a_job_whose_pod_cannot_start_is_replaced_when_its_template_changes() -> None:
    """A corrected image or spec need not wait for the deadline of a Job that cannot run."""
    problem = Problem("ImagePullBackOff", "no such image", human=True)
    stuck = job(template="old", evidence=Evidence(pods=1, problem=problem))
    decision = decided(observed(jobs=(stuck,)))
    assert decision.replaced == stuck
    assert decision.start is not None

    current = template_digest(observed().tenant, str(STATE), SETTINGS)
    assert decided(observed(jobs=(replace(stuck, template=current),))).replaced is None
    assert decided(observed(jobs=(job(template="old"),))).replaced is None


KNOWN = ProfileImageSyncStatus(state=State(id=str(STATE)))
PINNED = {"state": {"id": str(STATE)}}
LOST = {"state": {"acknowledgeLoss": str(STATE)}}
EVIL = {"highq": {**SPEC["highq"], "url": "https://evil.example/acme"}}
ORPHAN = (OtherState("acme-old", str(STATE)),)
BLOCKERS = {
    "the state is gone": (observed(header=None, status=KNOWN), "StateMissing"),
    "the state that Git names is not there, on a new cluster": (
        observed(PINNED, header=None), "StateMissing",
    ),
    "firstSync is no way out: it stays in Git": (
        observed({"firstSync": "Adopt"}, header=None, status=KNOWN), "StateMissing",
    ),
    "the loss of another state is acknowledged": (
        observed({"state": {"acknowledgeLoss": str(NEW)}}, header=None, status=KNOWN),
        "StateMissing",
    ),
    "another state is there": (observed(header=StateHeader(id=NEW), status=KNOWN), "StateMismatch"),
    "another state than Git names is there": (
        observed(PINNED, header=StateHeader(id=NEW)), "StateMismatch",
    ),
    "a renamed resource would begin anew": (observed(header=None, orphans=ORPHAN), "StateExists"),
    "an object in the way": (observed(foreign=("CronJob pisync-acme",)), "NameConflict"),
    "children of a former resource are still there": (
        observed(terminating=("Role pisync-acme",)), "Replacing",
    ),
    "the header cannot be read": (
        observed(LOST, header=None, unreadable=Blocker("StateDamaged", "restore it")),
        "StateDamaged",
    ),
    "shards without a header": (observed(header=None, shards=2), "StateMissing"),
    "shards without a header, their loss acknowledged": (
        observed(LOST, header=None, shards=2), "StateMissing",
    ),
    "a host that is not allowed, before there is a state": (
        observed(EVIL, header=None), "HostNotAllowed",
    ),
    "a host that is not allowed": (observed(EVIL), "HostNotAllowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", BLOCKERS.values(), ids=BLOCKERS.keys())
def test_while_blocked_nothing_starts_and_the_schedule_rests(case: tuple[Observed, str]) -> None:
    """Until a person has acted; no state is ever made anew by repair."""
    seen, reason = case
    decision = decided(seen)
    assert decision.blocker is not None
    assert decision.blocker.reason == reason
    assert decision.suspend
    assert decision.start is None
    assert (decision.state, decision.new_state) == (None, False)
    assert decision.requeue_at is not None


def test_what_ends_by_itself_is_looked_at_again_soon() -> None:
    """A resource made anew waits for the garbage collector, seconds as a rule."""
    decision = decided(observed(terminating=("Role pisync-acme",)))
    assert decision.requeue_at == NOW + timedelta(seconds=2)


def test_a_request_is_not_lost_while_blocked() -> None:
    """It is served when nothing blocks it any more."""
    assert decided(observed(ASKED, foreign=("Role pisync-acme",))).start is None
    start = decided(observed(ASKED)).start
    assert start is not None
    assert [each.value for each in start.requests] == ["now"]


def test_a_state_is_made_once_before_the_first_run() -> None:
    """With a random id that status and every report echo."""
    decision = decided(observed(header=None))
    assert decision.new_state
    assert decision.state is not None
    assert decision.state.id == NEW


@pytest.mark.parametrize(
    "seen",
    [
        observed(LOST, header=None, status=KNOWN),
        observed({"state": {"id": str(STATE), "acknowledgeLoss": str(STATE)}}, header=None),
        observed(LOST, header=None, orphans=ORPHAN),
    ],
    ids=["lost", "lost though pinned", "of a resource that is gone"],
)
def test_acknowledging_its_loss_is_the_way_out_of_a_lost_state(seen: Observed) -> None:
    """A new state begins."""
    decision = decided(seen)
    assert decision.blocker is None
    assert decision.new_state


def test_an_acknowledged_loss_is_good_once() -> None:
    """The acknowledgement stays in Git; the state that was begun by it is lost like any other."""
    told = ProfileImageSyncStatus(state=State(id=str(NEW)))
    blocker = decided(observed(LOST, header=None, status=told)).blocker
    assert blocker is not None
    assert blocker.reason == "StateMissing"


def test_a_retained_state_is_taken_up_again() -> None:
    """A re-created resource has no status; the state that is there is its own."""
    decision = decided(observed(header=DONE))
    assert (decision.state, decision.new_state) == (DONE, False)


def test_acknowledging_a_loss_takes_the_state_that_is_there() -> None:
    """The way out of StateMismatch: nothing is made, nothing is removed."""
    other = StateHeader(id=NEW)
    decision = decided(observed(LOST, header=other, status=KNOWN))
    assert (decision.blocker, decision.state, decision.new_state) == (None, other, False)


def test_the_tries_of_a_one_off_are_further_apart_each_time_for_a_day() -> None:
    """One minute, two, four, up to an hour; after a day it says who is left."""
    waits = []
    now, told = NOW, ProfileImageSyncStatus()
    for number in range(40):
        failed = run(Outcome.FAILED, id=f"run-{number}", start_time=now)
        failed = failed.model_copy(update={"completion_time": now + timedelta(seconds=20)})
        seen = observed(ONE_OFF, report=report(failed, 30), status=told)
        now += timedelta(seconds=20)
        first = decided(seen, now)
        told = ProfileImageSyncStatus(
            last_run=failed, history=(failed, *told.history)[:5], retry=first.retry
        )
        again = decided(replace(seen, status=told), now).requeue_at
        assert first.requeue_at == again
        if again is None:
            break
        assert failed.completion_time is not None
        waits.append(round((again - failed.completion_time).total_seconds() / 60))
        now = again
    assert waits[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert timedelta(days=1) <= now - NOW < timedelta(days=1, hours=2)


def test_a_dry_run_is_no_try() -> None:
    """What it found does not put off the real one."""
    dry = tuple(run(Outcome.DRY_RUN, id=f"dry-{number}") for number in range(3))
    told = ProfileImageSyncStatus(history=dry)
    failed = report(run(Outcome.FAILED, 0), 30)
    decision = decided(observed(ONE_OFF, report=failed, status=told))
    assert decision.requeue_at == NOW + timedelta(minutes=1)


def test_a_first_run_that_failed_is_tried_again_before_the_schedule() -> None:
    """The directory was away for a minute, and the schedule's next slot is in a week."""
    away = report(run(Outcome.FAILED, 0), 30, "DirectoryUnavailable")
    decision = decided(observed({"schedule": "@weekly"}, report=away))
    assert decision.requeue_at == NOW + timedelta(minutes=1)
    assert decided(observed({"schedule": "@weekly"}, header=DONE, report=away)).requeue_at is None


def token(days: float, **facts: Any) -> Observed:
    """Return a resource whose last run was ten days ago, and whose token expires in so many days."""
    told = ProfileImageSyncStatus(
        last_run=run(minutes_ago=10 * 24 * 60),
        last_success_time=NOW - timedelta(days=10),
        highq_token_expiry=NOW + timedelta(days=days),
    )
    return observed(facts.pop("spec", {"suspend": True}), status=told, header=DONE, **facts)


KEEP_ALIVES = {
    "suspended, three days before its end": (token(2.9), True),
    "suspended, long before its end": (token(20), False),
    "one-off, complete": (token(2.9, spec=ONE_OFF), True),
    "the schedule's next run comes before": (token(2.9, spec={}), False),
    "the schedule's next run comes too late": (token(2.9, spec={"schedule": "@yearly"}), True),
    "it has expired: an administrator must authorise": (token(-1), False),
    "a run is under way": (token(2.9, jobs=(job(),)), False),
}


@pytest.mark.parametrize("case", KEEP_ALIVES.values(), ids=KEEP_ALIVES.keys())
def test_a_token_is_renewed_before_it_expires(case: tuple[Observed, bool]) -> None:
    """Suspended or not: else an administrator would have to authorise again."""
    seen, renews = case
    start = decided(seen).start
    assert (start is not None and start.trigger is Trigger.KEEP_ALIVE) is renews


def test_a_renewal_that_is_not_due_yet_is_remembered() -> None:
    """The operator looks again when it is."""
    assert decided(token(20)).requeue_at == NOW + timedelta(days=17)


def test_a_renewal_changes_the_expiry_and_nothing_else() -> None:
    """It is no run of the sync: lastRun, outcome and conditions stay."""
    renewed = run(minutes_ago=1, id="ka", trigger=Trigger.KEEP_ALIVE)
    told = report(renewed).model_copy(update={"highq_token_expiry": NOW + timedelta(days=90)})
    seen = token(2, report=told)
    after = statuses.status(seen, run_result.latest(seen), decided(seen), NOW)
    assert after.highq_token_expiry == NOW + timedelta(days=90)
    assert after.last_run == seen.status.last_run
    assert after.history == seen.status.history


def test_a_short_lived_token_is_not_renewed_again_and_again() -> None:
    """A day's life: each renewal is due at three quarters of it."""
    renewed = run(minutes_ago=0, id="ka", trigger=Trigger.KEEP_ALIVE)
    told = ProfileImageSyncStatus(last_run=run(), highq_token_expiry=NOW + timedelta(days=1))
    seen = observed({"suspend": True}, status=told, header=DONE, report=report(renewed))
    assert decided(seen).requeue_at == NOW + timedelta(hours=18)


def test_refused_credentials_are_not_tried_by_a_renewal() -> None:
    """They do not improve by it."""
    refused = report(run(Outcome.FAILED, 1, generation=1), 20, "AuthorisationRefused")
    assert decided(token(2, report=refused)).start is None
