"""The table of conditions: whatever a resource went through, no two of them contradict each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.report import Report
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.api.status import (
    Brake,
    Condition,
    ConditionStatus,
    Outcome,
    ProfileImageSyncStatus,
    Run,
    State,
)
from profile_image_sync.controller import run_result
from profile_image_sync.controller import status as statuses
from profile_image_sync.controller.conditions import TABLE, Situation
from profile_image_sync.controller.evidence import Evidence, Problem
from profile_image_sync.controller.snapshot import Observed
from tests.support.snapshots import (
    BUSY,
    DONE,
    HEADER,
    NEW,
    NOW,
    STATE,
    asking,
    job,
    observed,
    run,
    secret,
)
from tests.support.snapshots import decided as decided_on

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
STUCK = Problem("ImagePullBackOff", "no such image: see `kubectl describe`", human=True)
DELAYED = Problem(
    "Unschedulable", "no node takes the worker's pod (0/3 nodes): it waits", human=False
)


def made_report(end: tuple[int, str], **facts: Any) -> Report:
    """Return a report that ended with this exit code and reason."""
    return Report(exit_code=end[0], reason=end[1], **facts)


def made_run(outcome: Outcome, minutes_ago: int, job: str, **facts: Any) -> Run:
    """Return the one run that a Job did."""
    name = {"job-0": "run-1", "pisync-acme-1": "1"}[job]
    return run(outcome, minutes_ago, job=job, id=name, **facts)


jobs = st.lists(
    st.sampled_from(
        [
            job(),
            job(scheduled=True, created=NOW - timedelta(minutes=1)),
            job(evidence=Evidence()),
            job(created=NOW, evidence=Evidence()),
            job(evidence=Evidence(pods=1, problem=STUCK)),
            job(evidence=Evidence(pods=1, problem=STUCK), template="old"),
            job(evidence=Evidence(pods=1, problem=DELAYED)),
            job(requests=asking("now")),
            job(name="pisync-acme-0", uid="job-0", finished=NOW - timedelta(minutes=10)),
            job(finished=NOW, failed=True, reason="BackoffLimitExceeded"),
            job(finished=NOW, failed=True, reason="DeadlineExceeded", evidence=Evidence()),
            BUSY,
        ]
    ),
    max_size=2,
    unique_by=lambda each: each.name,
)
reports = st.one_of(
    st.none(),
    st.builds(
        made_report,
        run=st.builds(
            made_run,
            st.sampled_from([each for each in Outcome if each is not Outcome.BUSY]),
            st.integers(0, 3000),
            generation=st.sampled_from([None, 1, 2]),
            failed=st.integers(0, 2),
            uploaded=st.integers(0, 3),
            people=st.integers(0, 9),
            job=st.sampled_from(["job-0", "pisync-acme-1"]),
        ),
        end=st.sampled_from(
            [(0, ""), (20, "BindRefused"), (20, "BrakeTripped"), (30, "HighQUnavailable")]
        ),
        message=st.sampled_from(["", "what happened."]),
        brake=st.sampled_from([None, Brake(id="b-1", reason="Changed", message="60 %")]),
    ),
)
specs = st.fixed_dictionaries(
    {
        "suspend": st.booleans(),
        "dryRun": st.booleans(),
        "runOnCreate": st.booleans(),
        "runRequest": st.sampled_from(["", "now"]),
        "safety": st.sampled_from([{}, {"acknowledge": "b-1"}, {"acknowledge": "b-7"}]),
    },
    optional={"mode": st.just("OneOff")},
)
facts = st.fixed_dictionaries(
    {
        "jobs": jobs.map(tuple),
        "report": reports,
        "header": st.sampled_from([None, HEADER, DONE, StateHeader(id=NEW)]),
        "annotation": st.sampled_from(["", "please"]),
        "references": st.sampled_from([(), (secret(),), (secret(changed=NOW),)]),
        "foreign": st.sampled_from([(), (), ("Role pisync-acme",)]),
        "terminating": st.sampled_from([(), (), (), ("Role pisync-acme",)]),
    }
)
befores = st.sampled_from(
    [
        ProfileImageSyncStatus(),
        ProfileImageSyncStatus(state=State(id=str(STATE))),
        ProfileImageSyncStatus(last_run=run(Outcome.FAILED)),
        ProfileImageSyncStatus(last_run=run(), last_success_time=NOW - timedelta(hours=1)),
    ]
)


@st.composite
def situations(draw: st.DrawFn) -> Observed:
    """Return a resource in any situation, also after the operator has written its status once."""
    seen = observed(draw(specs), **draw(facts), status=draw(befores))
    seen = replace(seen, tenant=replace(seen.tenant, generation=draw(st.sampled_from([1, 2]))))
    if draw(st.booleans()):
        seen = replace(seen, status=status_of(seen))
    return seen


def status_of(seen: Observed) -> ProfileImageSyncStatus:
    """Return the status as the reconciler writes it."""
    return statuses.status(seen, run_result.latest(seen), decided_on(seen), NOW)


def by_type(status: ProfileImageSyncStatus) -> dict[str, Condition]:
    """Return the conditions by type."""
    return {each.type.value: each for each in status.conditions}


@given(situations())
def test_no_two_conditions_contradict_each_other(seen: Observed) -> None:
    """Waiters, kstatus and people draw the same conclusion from each."""
    told = by_type(status_of(seen))
    ready, stalled = told["Ready"].status, told["Stalled"].status
    reconciling, synced = told["Reconciling"].status, told["Synced"]
    assert list(told) == ["Ready", "Reconciling", "Stalled", "Synced"]
    assert not (stalled is TRUE and reconciling is TRUE)
    if ready is TRUE:
        assert (reconciling, stalled) == (FALSE, FALSE)
        assert synced.reason != "Failed"
    if ready is UNKNOWN:
        assert reconciling is TRUE
    if stalled is TRUE or reconciling is TRUE:
        assert ready is not TRUE
    if ready is FALSE:
        assert synced.reason not in {"Succeeded", "PartialFailure", "DryRun", "WaitingForSchedule"}


NEXT = (
    "waits for you",
    "retries at",
    "the next run starts at",
    "a run starts now",
    "is under way",
    "no further run by itself",
    "no run is scheduled",
    "there is nothing to do",
    "nothing runs:",
    "unset it, or ask for a run",
    "Remove or rename it",
    "about to be removed",
    "restore",
    "acknowledgeLoss",
    "in the chart",
    "it waits",
    "see `kubectl",
)


@given(situations())
def test_every_no_says_what_happens_next(seen: Observed) -> None:
    """Whose turn it is, and when: nobody must guess."""
    status = status_of(seen)
    for condition in status.conditions:
        if condition.type.value in ("Ready", "Synced") and condition.status is not TRUE:
            text = condition.message.lower()
            assert any(words.lower() in text for words in NEXT), condition.message


@given(situations())
def test_somebody_must_act_where_the_message_says_so(seen: Observed) -> None:
    """`waits for you` and Stalled=False would hide it from whoever only reads conditions."""
    told = by_type(status_of(seen))
    if "waits for you" in told["Ready"].message:
        assert told["Stalled"].status is TRUE


@given(situations())
def test_a_status_that_was_just_written_is_not_written_again(seen: Observed) -> None:
    """An idle cluster sees no write, whatever state its resources are in."""
    decision = decided_on(seen)
    if decision.start or decision.replaced or decision.new_state:
        return  # something else is there the next time
    first = status_of(seen)
    second = status_of(replace(seen, status=first))
    third = status_of(replace(seen, status=second))
    assert second == third


def test_the_table_has_a_row_for_every_situation() -> None:
    """And at most one condition of each row asks for attention."""
    assert set(TABLE) == set(Situation)
    for ready, reconciling, stalled in TABLE.values():
        assert [reconciling, stalled].count(TRUE) <= 1
        assert (ready is TRUE) <= ((reconciling, stalled) == (FALSE, FALSE))


def test_conditions_can_be_read_by_kubernetes_tools() -> None:
    """A reason has one CamelCase word."""
    status: Any = status_of(observed())
    for condition in status.conditions:
        assert condition.reason.isalnum()
