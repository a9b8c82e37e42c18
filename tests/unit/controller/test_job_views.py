"""Jobs as the API server shows them: whose they are, how they ended, and which requests they serve."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from profile_image_sync.api.status import RequestSource, Trigger
from profile_image_sync.controller.job_views import job_views
from profile_image_sync.controller.snapshot import JobView, ServedRequest

Body = dict[str, Any]
OURS = "uid-of-resource"


def owned_by(uid: str, kind: str = "ProfileImageSync", *, controller: bool = True) -> Body:
    """Return the metadata of an object that belongs to this one."""
    return {"ownerReferences": [{"kind": kind, "uid": uid, "controller": controller}]}


def job(uid: str = "j1", *, metadata: Body | None = None, **annotations: str) -> Body:
    """Return a Job of ours with these of our annotations."""
    told = {f"profileimagesync.io/{name}": value for name, value in annotations.items()}
    made = {"name": f"pisync-a-{uid}", "uid": uid, "creationTimestamp": "2026-05-04T12:00:00Z"}
    meta = made | owned_by(OURS) | {"annotations": told} | (metadata or {})
    return {"kind": "Job", "metadata": meta}


def ended(body: Body, *conditions: tuple[str, str, str | None]) -> Body:
    """Return the Job with conditions: type, status, reason."""
    at = {"lastTransitionTime": "2026-05-04T12:30:00Z"}
    found = [
        {"type": kind, "status": status, **at, **({"reason": reason} if reason else {})}
        for kind, status, reason in conditions
    ]
    return body | {"status": {"conditions": found}}


def pod_of(uid: str, *, controller: bool = True) -> Body:
    """Return a pod of the Job."""
    made = {"name": f"pod-of-{uid}", "uid": "p1", "creationTimestamp": "2026-05-04T12:00:01Z"}
    owner = owned_by(uid, "Job", controller=controller)
    running = {"containerStatuses": [{"name": "worker", "state": {"running": {}}}]}
    return {"kind": "Pod", "metadata": made | owner, "status": running}


def view(body: Body, *others: Body) -> JobView:
    """Return how the Job is seen."""
    (found,) = job_views([body, *others], {OURS, "uid-of-cron-job"})
    return found


def test_a_job_is_read_with_what_its_annotations_tell() -> None:
    """All that the next decision needs to know of it."""
    seen = view(job(generation="7", template="t", references="r", trigger="SpecChange"))
    assert (seen.name, seen.uid) == ("pisync-a-j1", "j1")
    assert seen.created == datetime(2026, 5, 4, 12, tzinfo=UTC)
    assert (seen.generation, seen.template, seen.references) == (7, "t", "r")
    assert (seen.finished, seen.failed, seen.reason) == (None, False, "")
    assert (seen.requests, seen.scheduled) == ((), False)


def test_pods_count_for_their_own_job_only() -> None:
    """What another run's pod tells says nothing of this one."""
    assert view(job("j1"), pod_of("j1")).evidence.started
    assert not view(job("j1"), pod_of("j2")).evidence.started
    assert not view(job("j1"), pod_of("j1", controller=False)).evidence.started


@pytest.mark.parametrize(
    ("metadata", "seen"),
    [
        (owned_by("uid-of-cron-job", "CronJob"), True),
        (owned_by("uid-of-a-former-one"), False),
        ({"ownerReferences": []}, True),
        (owned_by("somebody", controller=False), True),
        ({"deletionTimestamp": "2026-05-04T12:10:00Z"}, False),
    ],
    ids=["of the schedule", "of a former resource", "by hand", "no controller", "being removed"],
)
def test_jobs_of_a_former_resource_and_those_that_go_are_left_out(
    metadata: Body, seen: bool
) -> None:
    """They are being removed: to wait for them would be to wait for nothing."""
    assert bool(job_views([job(metadata=metadata)], {OURS, "uid-of-cron-job"})) == seen


@pytest.mark.parametrize(
    ("conditions", "failed", "reason"),
    [
        ([("Complete", "True", None)], False, ""),
        ([("SuccessCriteriaMet", "True", None), ("Complete", "True", None)], False, ""),
        ([("Failed", "True", "DeadlineExceeded")], True, "DeadlineExceeded"),
        ([("Failed", "True", None)], True, "Failed"),
    ],
    ids=["complete", "after another condition", "failed", "failed without a word"],
)
def test_a_job_has_ended_when_kubernetes_says_so(
    conditions: list[tuple[str, str, str | None]], failed: bool, reason: str
) -> None:
    """With the time that it tells."""
    seen = view(ended(job(), *conditions))
    assert seen.finished == datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
    assert (seen.failed, seen.reason) == (failed, reason)


@pytest.mark.parametrize(
    "condition",
    [("Failed", "False", "x"), ("Complete", "False", None), ("Suspended", "True", "JobSuspended")],
)
def test_no_other_condition_ends_a_job(condition: tuple[str, str, str | None]) -> None:
    """A suspended Job goes on later."""
    seen = view(ended(job(), condition))
    assert (seen.finished, seen.failed, seen.reason) == (None, False, "")


CRON = owned_by("uid-of-cron-job", "CronJob")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (job(trigger="Retry"), Trigger.RETRY),
        (job(metadata=CRON | {"annotations": {}}), Trigger.SCHEDULE),
        (job(requests='["now"]'), Trigger.REQUEST),
        (job(), Trigger.FIRST_RUN),
        (job(trigger="Whim", requests="[]"), Trigger.REQUEST),
    ],
)
def test_why_a_job_was_started_is_told_or_guessed(body: Body, expected: Trigger) -> None:
    """Jobs of the first version bear no trigger."""
    assert view(body).trigger is expected


def test_a_job_of_the_schedule_goes_with_its_cron_job() -> None:
    """And is told apart from those that the operator made."""
    assert view(job(metadata=CRON)).scheduled


@pytest.mark.parametrize("written", ["", "x", "-1", "1.5"])
def test_a_generation_that_was_edited_is_unknown(written: str) -> None:
    """Not an error that would hold up the resource."""
    assert view(job(generation=written)).generation is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('[{"source": "Spec", "value": "now"}]', (ServedRequest(RequestSource.SPEC, "now"),)),
        ('["now", "5"]', (ServedRequest(None, "now"), ServedRequest(None, "5"))),
        ("not JSON", ()),
        ('[{"source": "Nobody", "value": "x"}]', ()),
        ('[{"value": "x"}]', ()),
        ("5", ()),
    ],
    ids=["ours", "first version", "not JSON", "no such source", "no source", "no list"],
)
def test_the_requests_that_a_job_serves_are_read(
    written: str, expected: tuple[ServedRequest, ...]
) -> None:
    """Those of the first version, which wrote values alone, too; not what was edited by hand."""
    assert view(job(requests=written)).requests == expected
