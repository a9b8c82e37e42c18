"""The real reconciler against an API server in memory: what it writes, and what it leaves alone."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profile_image_sync import names
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.state_header import decode_header, encode_header
from profile_image_sync.api.status import Brake, Outcome, ProfileImageSyncStatus
from profile_image_sync.controller import run_result
from profile_image_sync.controller.bodies import Body
from profile_image_sync.kube.errors import ApiConflict, ApiError, ApiForbidden, ApiUnavailable
from profile_image_sync.kube.resources import ObjectRef
from tests.support.cluster_in_memory import NAME, NS, Cluster
from tests.support.snapshots import NOW, observed, run


def ran() -> Cluster:
    """Return a resource whose first run has succeeded and been told."""
    cluster = Cluster()
    cluster.reconcile()
    (job,) = cluster.jobs()
    cluster.finish(job)
    cluster.settle()
    return cluster


def test_a_new_resource_gets_all_that_a_run_needs_and_its_first_run() -> None:
    """State first: nothing runs without one."""
    cluster = Cluster()
    cluster.reconcile()
    created = [each for each in cluster.api.writes if each.startswith("create")]
    assert created[0] == "create ConfigMap pisync-acme-state"
    assert {each.split()[1] for each in created} >= {"Role", "RoleBinding", "ServiceAccount"}
    (job,) = cluster.jobs()
    assert job["metadata"]["annotations"]["profileimagesync.io/trigger"] == "FirstRun"
    assert cluster.condition("Ready")["reason"] == "FirstRunPending"


def test_a_healthy_resource_costs_no_request() -> None:
    """Whatever wakes the operator: it looks at its copy."""
    cluster = ran()
    cluster.api.requests.clear()
    for _ in range(5):
        cluster.reconcile()
    assert cluster.api.requests == []


def test_a_restarted_operator_writes_nothing() -> None:
    """It asks for what is not watched, once for each resource."""
    cluster = ran()
    cluster.restart()
    assert cluster.settle() == []
    assert cluster.api.requests == ["get ConfigMap pisync-acme-state"]


EDITS: dict[str, tuple[str, str, Callable[[Body], Any]]] = {
    "another schedule": (
        "CronJob", "pisync-acme", lambda b: b["spec"].update(schedule="1 1 1 1 1"),
    ),
    "suspended by hand": ("CronJob", "pisync-acme", lambda b: b["spec"].update(suspend=True)),
    "an added field of the Job": (
        "CronJob", "pisync-acme",
        lambda b: b["spec"]["jobTemplate"]["spec"].update(ttlSecondsAfterFinished=1),
    ),
    "an added field of the pod": (
        "CronJob", "pisync-acme",
        lambda b: b["spec"]["jobTemplate"]["spec"]["template"]["spec"].update(hostNetwork=True),
    ),
    "an added field of the container": (
        "CronJob", "pisync-acme",
        lambda b: b["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].update(
            command=["sh"]
        ),
    ),
    "another right": ("Role", "pisync-acme", lambda b: b["rules"].append({"verbs": ["*"]})),
    "another subject": ("RoleBinding", "pisync-acme", lambda b: b["subjects"].clear()),
    "labels taken away": (
        "Lease", "pisync-acme", lambda b: b["metadata"]["labels"].pop("app.kubernetes.io/name"),
    ),
    "orphaned": ("CronJob", "pisync-acme", lambda b: b["metadata"].pop("ownerReferences")),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_what_somebody_changed_is_repaired_and_told(
    edit: tuple[str, str, Callable[[Body], Any]],
) -> None:
    """Fields that were added, too; at once, since every child is watched."""
    cluster = ran()
    kind, name, change = edit
    before = cluster.get(kind, name)
    spoiled = cluster.api.put(before)
    change(spoiled)
    cluster.api.put(spoiled)
    writes = cluster.settle()
    assert len([each for each in writes if each.startswith(("replace", "patch"))]) == 1
    assert any(each.startswith("create Event") for each in writes)
    for part in ("spec", "rules", "subjects"):
        assert cluster.get(kind, name).get(part) == before.get(part)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("CronJob", "pisync-acme"),
        ("Role", "pisync-acme"),
        ("RoleBinding", "pisync-acme"),
        ("ServiceAccount", "pisync-acme"),
        ("Lease", "pisync-acme"),
        ("Lease", "pisync-token-highq-oauth"),
        ("ConfigMap", "pisync-acme-report"),
    ],
)
def test_what_somebody_removed_is_made_again(kind: str, name: str) -> None:
    """But for the state, which is never made again by repair."""
    cluster = ran()
    cluster.api.remove(ObjectRef(kind, NS, name))
    writes = cluster.settle()
    assert f"create {kind} {name}" in writes


@pytest.mark.parametrize("restarted", [False, True])
def test_a_removed_secret_is_made_again_when_a_run_starts(restarted: bool) -> None:
    """Secrets are not watched: a run that needs them is when they are asked for."""
    cluster = ran()
    if restarted:
        cluster.restart()
        cluster.settle()
    for name in (names.people(NAME), names.token("highq-oauth")):
        cluster.api.remove(ObjectRef("Secret", NS, name))
    cluster.apply({"runRequest": "now"})
    writes = cluster.settle()
    assert writes.index("create Secret pisync-acme-people") < len(writes)
    assert "create Secret pisync-token-highq-oauth" in writes


def test_what_the_cluster_adds_to_our_writes_is_no_drift() -> None:
    """Defaults of a newer API server, fields of a webhook: no tug-of-war."""
    cluster = ran()
    put = cluster.api.put

    def webhook(wanted: Body) -> Body:
        body = copy.deepcopy(wanted)
        if body["kind"] == "CronJob":
            body["spec"]["jobTemplate"]["spec"]["template"]["spec"]["newDefault"] = "of 1.99"
        return put(body)

    cluster.api.put = webhook  # type: ignore[method-assign,assignment]
    cluster.api.put(cluster.get("CronJob", "pisync-acme"))
    writes = [each for each in cluster.settle() if each.startswith("replace")]
    assert len(writes) == 1


def test_the_state_is_never_made_again() -> None:
    """Losing it would make the next run a first sync, over people's own pictures."""
    cluster = ran()
    cluster.api.remove(ObjectRef("ConfigMap", NS, names.state(NAME)))
    cluster.settle()
    assert cluster.condition("Stalled")["reason"] == "StateMissing"
    assert ObjectRef("ConfigMap", NS, names.state(NAME)) not in cluster.api.objects
    assert cluster.get("CronJob", "pisync-acme")["spec"]["suspend"] is True


def test_the_way_out_of_a_lost_state_works() -> None:
    """As the message says: spec.state.acknowledgeLoss, and a first run begins."""
    cluster = ran()
    lost = cluster.status["state"]["id"]
    cluster.api.remove(ObjectRef("ConfigMap", NS, names.state(NAME)))
    cluster.settle()
    assert lost in cluster.condition("Ready")["message"]
    cluster.apply({"state": {"acknowledgeLoss": lost}})
    cluster.settle()
    header = cluster.get("ConfigMap", names.state(NAME))["data"][names.HEADER_KEY]
    begun = decode_header(header.encode(), "test")
    assert str(begun.replaces) == lost
    assert cluster.status["state"]["id"] == str(begun.id)
    assert cluster.condition("Stalled")["status"] == "False"


def test_a_state_whose_create_is_refused_is_not_told_of() -> None:
    """A quota: else the resource would miss ever after what never was."""
    cluster = Cluster()
    cluster.api.refusals["create ConfigMap"] = ApiForbidden("exceeded quota")
    with pytest.raises(ApiForbidden):
        cluster.reconcile()
    assert "state" not in cluster.status
    assert cluster.condition("Ready")["reason"] == "Refused"
    assert cluster.jobs() == []
    cluster.api.refusals.clear()
    cluster.reconcile()
    assert len(cluster.jobs()) == 1


def test_a_renamed_resource_does_not_begin_anew_in_silence() -> None:
    """The state of the resource that is gone is for the same HighQ (rule 9)."""
    cluster = ran()
    state = cluster.get("ConfigMap", names.state(NAME))
    header = decode_header(state["data"][names.HEADER_KEY].encode(), "test")
    bound = header.model_copy(update={"highq": "acme.highq.com/acme"})
    renamed = Cluster()
    labels = names.labels("acme-old", "state")
    renamed.api.put(
        {
            **state,
            "metadata": {"name": names.state("acme-old"), "namespace": NS, "labels": labels},
            "data": {names.HEADER_KEY: encode_header(bound).decode()},
        }
    )
    renamed.settle()
    assert renamed.condition("Stalled")["reason"] == "StateExists"
    assert renamed.jobs() == []
    renamed.apply({"state": {"acknowledgeLoss": str(header.id)}})
    renamed.settle()
    assert len(renamed.jobs()) == 1


def test_an_object_in_the_way_is_not_touched() -> None:
    """Not ours: named, and nothing else is begun."""
    cluster = Cluster()
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"theirs": "yes"}}
    cluster.api.put({**foreign, "metadata": {"name": names.state(NAME), "namespace": NS}})
    cluster.reconcile()
    assert cluster.condition("Stalled")["reason"] == "NameConflict"
    assert cluster.get("ConfigMap", names.state(NAME))["data"] == {"theirs": "yes"}


def test_an_object_in_the_way_is_named_though_a_later_write_is_refused_for_its_sake() -> None:
    """A Role of somebody else's: the API server refuses our RoleBinding to rights that the operator lacks."""
    cluster = Cluster()
    meta = {"name": names.child(NAME), "namespace": NS}
    cluster.api.put(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta}
    )
    cluster.api.refusals["create RoleBinding"] = ApiForbidden("not currently held")
    with pytest.raises(ApiForbidden):
        cluster.reconcile()
    assert cluster.condition("Stalled")["reason"] == "NameConflict"
    assert f"Role {names.child(NAME)}" in cluster.condition("Ready")["message"]


def test_owners_that_may_not_be_changed_keep_nothing_from_running() -> None:
    """OpenShift's OwnerReferencesPermissionEnforcement: told, and no obstacle to a run."""
    cluster = ran()
    cluster.api.refusals["patch ConfigMap"] = ApiForbidden("cannot set ownerReferences")
    cluster.apply({"state": {"deletionPolicy": "Delete"}, "runRequest": "now"})
    cluster.reconcile()
    assert len(cluster.jobs()) == 2
    assert any(each.startswith("create Event") for each in cluster.api.writes)


def test_what_a_pod_needs_outlives_the_resource() -> None:
    """A worker that is ended with its resource still records what HighQ has accepted."""
    cluster = Cluster()
    cluster.reconcile()
    (job,) = cluster.jobs()
    cluster.pod_of(job, running={})
    cluster.settle()
    for kind in ("ServiceAccount", "Role", "RoleBinding", "Lease"):
        owners = cluster.get(kind, "pisync-acme")["metadata"]["ownerReferences"]
        assert [each["kind"] for each in owners] == [names.KIND, "Pod"]
    assert not any(each.startswith("create Event") for each in cluster.settle())


def test_state_goes_with_its_resource_if_the_spec_says_so() -> None:
    """It is made with its owner: nothing is left behind when the operator is down."""
    cluster = Cluster({"state": {"deletionPolicy": "Delete"}})
    cluster.settle()
    (owner,) = cluster.get("ConfigMap", names.state(NAME))["metadata"]["ownerReferences"]
    assert owner["uid"] == "cr-1"
    cluster.apply({"state": {"deletionPolicy": "Retain"}})
    cluster.settle()
    assert not cluster.get("ConfigMap", names.state(NAME))["metadata"]["ownerReferences"]


def test_a_request_whose_job_stepped_back_is_served_by_another_one() -> None:
    """The run that was at work began before the request was made."""
    cluster = ran()
    cluster.apply({"runRequest": "now"})
    cluster.settle()
    first = cluster.jobs()[-1]
    cluster.finish(first, Outcome.BUSY, exit_code=10, reason="Busy")
    cluster.settle()
    (request,) = cluster.status["runRequests"]
    assert request["phase"] == "Pending"
    assert cluster.status["lastRun"]["outcome"] == "Succeeded"
    cluster.now += timedelta(minutes=2)
    cluster.settle()
    second = cluster.jobs()[-1]
    assert second["metadata"]["name"] != first["metadata"]["name"]
    cluster.finish(second, generation=2)
    cluster.settle()
    assert cluster.status["runRequests"][0]["phase"] == "Done"
    assert cluster.status["lastHandledRunRequest"] == "now"


def test_a_request_whose_job_was_deleted_before_it_ran_is_served_by_another_one() -> None:
    """Nothing has served it."""
    cluster = ran()
    cluster.apply({"runRequest": "now"})
    cluster.settle()
    cluster.api.remove(ObjectRef.of(cluster.jobs()[-1]))
    cluster.settle()
    (request,) = cluster.status["runRequests"]
    assert (request["phase"], request["job"]) == ("Running", cluster.jobs()[-1]["metadata"]["name"])


def test_a_lost_report_is_made_good_by_the_pod() -> None:
    """The worker lost its Role: numbers and outcome are in its termination message."""
    cluster = Cluster()
    cluster.reconcile()
    (job,) = cluster.jobs()
    cluster.finish(job, reports=False, numbers={"people": 3, "uploaded": 3})
    cluster.settle()
    assert cluster.status["lastRun"]["uploaded"] == 3
    assert cluster.condition("Synced")["reason"] == "Succeeded"


def test_a_pod_whose_image_cannot_be_pulled_is_told_as_that() -> None:
    """Within a moment, not when the Job's deadline ends it hours later."""
    cluster = Cluster()
    cluster.reconcile()
    (job,) = cluster.jobs()
    cluster.pod_of(job, waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "ImagePullBackOff"
    assert cluster.condition("Stalled")["status"] == "True"


def test_a_worker_that_was_killed_for_its_memory_is_told_as_that() -> None:
    """With the field to raise."""
    cluster = Cluster()
    cluster.reconcile()
    (job,) = cluster.jobs()
    cluster.pod_of(job, terminated={"exitCode": 137, "reason": "OOMKilled"})
    ended = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    ended |= {"lastTransitionTime": NOW.isoformat()}
    cluster.api.put({**job, "status": {"conditions": [ended]}})
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "OOMKilled"
    assert "limits.memory" in cluster.condition("Ready")["message"]


def test_a_refused_bind_is_not_tried_again_with_the_secret_that_it_had() -> None:
    """Applied in the same second as the resource: a second refusal is nearer to a locked account."""
    cluster = Cluster()
    cluster.api.put(seed("ad-bind", "wrong"))
    cluster.reconcile()
    (job,) = cluster.jobs()
    made = job["metadata"]["creationTimestamp"]
    assert cluster.get("Secret", "ad-bind")["metadata"]["managedFields"][0]["time"] > made
    cluster.finish(job, Outcome.FAILED, exit_code=20, reason="BindRefused")
    cluster.settle()
    assert len(cluster.jobs()) == 1
    assert cluster.condition("Stalled")["reason"] == "BindRefused"

    cluster.api.put(seed("ad-bind", "right", time="2099-01-01T00:00:01Z"))
    cluster.settle()
    assert len(cluster.jobs()) == 2


def seed(name: str, password: str, time: str = "2099-01-01T00:00:00Z") -> Body:
    """Return a Secret that the spec names, with who wrote its data, and when."""
    wrote = {"manager": "kubectl", "operation": "Update", "time": time, "fieldsV1": {"f:data": {}}}
    metadata = {"name": name, "namespace": NS, "managedFields": [wrote]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "data": {"password": password},
    }


FOR_PEOPLE = ("OOMKilled", "ImagePullBackOff", "StartError", "PodFailurePolicy", "BindRefused")


@pytest.mark.parametrize("reason", FOR_PEOPLE)
def test_what_needs_a_person_is_remembered_though_no_condition_says_so(reason: str) -> None:
    """Its Job has expired while a run was tried, or the conditions were lost: nothing else tells."""
    told = ProfileImageSyncStatus(last_run=run(Outcome.FAILED, reason=reason, message="why"))
    last = run_result.latest(observed(status=told))
    assert last is not None
    assert last.needs_human


@pytest.mark.parametrize(
    "reason", ["Evicted", "Unschedulable", "DirectoryUnavailable", "RunFailed"]
)
def test_what_passes_by_itself_is_remembered_as_that(reason: str) -> None:
    """The next run may succeed: nothing is suspended for it."""
    told = ProfileImageSyncStatus(last_run=run(Outcome.FAILED, reason=reason, message="why"))
    last = run_result.latest(observed(status=told))
    assert last is not None
    assert not last.needs_human


def test_finished_jobs_go_when_status_has_told_of_them() -> None:
    """failedJobsHistoryLimit: 0 loses no result, and requested Jobs obey the limits as well."""
    cluster = Cluster({"job": {"failedJobsHistoryLimit": 0}})
    cluster.reconcile()
    (job,) = cluster.jobs()
    cluster.finish(job, Outcome.FAILED, exit_code=20, reason="BindRefused", message="refused.")
    cluster.settle()
    assert cluster.jobs() == []
    assert cluster.condition("Stalled")["reason"] == "BindRefused"
    assert cluster.settle() == []
    assert cluster.condition("Stalled")["reason"] == "BindRefused"


def test_a_resource_that_cannot_be_understood_says_so_and_nothing_is_touched() -> None:
    """What the API server cannot check: a time zone that does not exist."""
    cluster = Cluster({"timeZone": "Europe/Nowhere"})
    cluster.settle()
    assert cluster.condition("Stalled")["reason"] == "InvalidSpec"
    assert cluster.jobs() == []


def test_a_read_that_is_forbidden_is_told() -> None:
    """A Role that lost a rule: the resource says so, and goes on when it is back."""
    cluster = ran()
    cluster.restart()
    cluster.api.refusals["get ConfigMap"] = ApiForbidden("not allowed to get it")
    with pytest.raises(ApiForbidden):
        cluster.reconcile()
    assert cluster.condition("Stalled")["reason"] == "Refused"
    assert "not allowed" in cluster.condition("Ready")["message"]
    cluster.api.refusals.clear()
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"


def test_a_node_whose_clock_is_behind_loses_no_run() -> None:
    """Its report is dated before the last one that status tells of, and is the later run's all the same."""
    cluster = ran()
    cluster.apply({"runRequest": "now"})
    cluster.settle()
    cluster.now -= timedelta(minutes=30)
    cluster.finish(cluster.jobs()[-1], numbers={"people": 7, "unchanged": 7})
    cluster.now += timedelta(minutes=30)
    cluster.settle()
    assert cluster.status["lastRun"]["people"] == 7
    assert len(cluster.status["history"]) == 2
    assert cluster.settle() == []


def test_two_runs_that_ended_while_the_operator_was_away_are_both_told() -> None:
    """The later one's report has overwritten the earlier one's; its pod tells of that."""
    cluster = ran()
    cluster.apply({"runRequest": "a"})
    cluster.settle()
    first = cluster.jobs()[-1]
    second = copy.deepcopy(first)
    second["metadata"] |= {"name": "pisync-acme-29384756", "annotations": {}}
    del second["metadata"]["uid"], second["metadata"]["creationTimestamp"]
    second = cluster.api.put(second)
    cluster.finish(first, numbers={"people": 1})
    cluster.finish(second, numbers={"people": 2})
    cluster.settle()
    assert [run["people"] for run in cluster.status["history"]] == [2, 1, 0]
    assert cluster.status["lastRun"]["people"] == 2
    assert cluster.status["runRequests"][0]["phase"] == "Done"


def test_a_brake_is_acknowledged_by_an_annotation_and_the_event_says_by_what() -> None:
    """For people on call whose spec belongs to Git: a run starts at once, with the id in its run spec."""
    cluster = ran()
    cluster.apply({"runRequest": "now"})
    cluster.settle()
    brake = Brake(id="b-1", reason="Changed", message="60 % changed")
    stopped = {"exit_code": 20, "reason": "BrakeTripped", "brake": brake, "generation": 2}
    cluster.finish(cluster.jobs()[-1], Outcome.FAILED, **stopped)
    cluster.settle()
    assert cluster.status["brake"]["id"] == "b-1"
    assert len(cluster.jobs()) == 2
    cluster.apply({"runRequest": "now"}, **{names.ACKNOWLEDGE_ANNOTATION: "b-7"})
    cluster.settle()
    assert len(cluster.jobs()) == 2
    cluster.apply({"runRequest": "now"}, **{names.ACKNOWLEDGE_ANNOTATION: "b-1"})
    cluster.settle()
    job = cluster.jobs()[-1]
    (variable, *_) = job["spec"]["template"]["spec"]["containers"][0]["env"]
    assert RunSpec.model_validate_json(variable["value"]).spec.safety.acknowledge == "b-1"
    events = [body for ref, body in cluster.api.objects.items() if ref.kind == "Event"]
    (told,) = [each["note"] for each in events if each["reason"] == "BrakeAcknowledged"]
    assert told.startswith(f"brake b-1 by annotation {names.ACKNOWLEDGE_ANNOTATION}")


def test_what_is_being_mended_is_told_while_its_run_goes_on() -> None:
    """Also where the failed run left no report: the old failure is not said of the new spec."""
    cluster = Cluster()
    cluster.reconcile()
    (job,) = cluster.jobs()
    cluster.finish(job, Outcome.FAILED, exit_code=20, reason="BindRefused", reports=False)
    cluster.settle()
    assert cluster.condition("Stalled")["reason"] == "BindRefused"
    cluster.apply({"timeZone": "Europe/London"})
    cluster.settle()
    cluster.pod_of(cluster.jobs()[-1], running={})
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "NotTriedYet"
    assert cluster.condition("Stalled")["status"] == "False"


def test_a_resource_that_is_gone_costs_nothing() -> None:
    """No finalizer: the garbage collector does the rest, with the operator up or down."""
    cluster = ran()
    cluster.api.remove(ObjectRef(names.KIND, NS, NAME))
    cluster.api.requests.clear()
    assert cluster.reconcile() is None
    assert cluster.api.requests == []


def test_an_event_that_cannot_be_posted_is_no_reason_to_begin_anew() -> None:
    """Events are for people; nothing depends on them."""
    cluster = Cluster()
    cluster.api.refusals["create Event"] = ApiUnavailable("busy")
    cluster.reconcile()
    assert len(cluster.jobs()) == 1


REMOVABLE = ("CronJob", "Role", "RoleBinding", "ServiceAccount", "Lease", "Job", "Pod", "Secret")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_state_of_the_children_converges(data: st.DataObject) -> None:
    """Objects removed, edited, refused, the operator restarted, in any order: then nothing is left to do."""
    cluster = Cluster(data.draw(st.sampled_from([{}, {"mode": "OneOff", "schedule": None}])))
    for _ in range(data.draw(st.integers(1, 6))):
        step = data.draw(st.sampled_from(["remove", "edit", "refuse", "restart", "finish", "ask"]))
        refs = [ref for ref in cluster.api.objects if ref.kind in REMOVABLE]
        if step == "remove" and refs:
            cluster.api.remove(data.draw(st.sampled_from(sorted(refs, key=str))))
        if step == "edit" and (ref := ObjectRef("CronJob", NS, "pisync-acme")) in refs:
            body = cluster.api.put(cluster.api.objects[ref])
            body["spec"] |= {"suspend": True, "schedule": "1 1 1 1 1", "extra": 1}
            cluster.api.put(body)
        if step == "restart":
            cluster.restart()
        if step == "finish" and (going := [job for job in cluster.jobs() if "status" not in job]):
            report = ObjectRef("ConfigMap", NS, names.report(NAME))
            if report in cluster.api.objects:
                cluster.finish(going[0])
        if step == "ask":
            cluster.apply({"runRequest": data.draw(st.sampled_from(["a", "b"]))})
        if step == "refuse":
            verb = data.draw(st.sampled_from(["create", "replace", "status", "get", "create Job"]))
            cluster.api.refusals[verb] = data.draw(
                st.sampled_from([ApiForbidden("no"), ApiUnavailable("down")])
            )
            with contextlib.suppress(ApiError):
                cluster.reconcile()
            cluster.api.refusals.clear()
    cluster.settle()
    cluster.api.requests.clear()
    cluster.reconcile()
    assert cluster.api.writes == []
    active = [job for job in cluster.jobs() if "status" not in job]
    assert len(active) <= 1


def test_a_value_that_the_other_channel_has_used_asks_for_a_run_all_the_same() -> None:
    """Each channel is its own: `now` by the annotation, and `now` in Git a week later."""
    cluster = ran()
    asked = {names.RUN_REQUEST_ANNOTATION: "now"}
    cluster.apply({}, **asked)
    cluster.settle()
    cluster.finish(cluster.jobs()[-1])
    cluster.settle()
    cluster.apply({"runRequest": "now"}, **asked)
    cluster.settle()
    assert len(cluster.jobs()) == 3
    phases = {each["source"]: each["phase"] for each in cluster.status["runRequests"]}
    assert phases == {"Spec": "Running", "Annotation": "Done"}


def test_a_value_that_comes_back_asks_for_another_run() -> None:
    """The Job that served it the first time is still there, and has ended long before."""
    cluster = ran()
    made: list[str] = []
    for generation, value in enumerate(("a", "b", "a"), 2):
        cluster.apply({"runRequest": value})
        cluster.settle()
        (asked,) = cluster.status["runRequests"]
        assert asked["phase"] == "Running"
        made.append(asked["job"])
        cluster.finish(cluster.jobs()[-1], generation=generation)
        cluster.settle()
        assert cluster.status["runRequests"][0]["phase"] == "Done"
    assert len(set(made)) == 3


def test_a_job_is_replaced_once_however_late_the_watch_tells_of_it() -> None:
    """What was removed is not removed again in favour of yet another Job."""
    cluster = Cluster()
    cluster.reconcile()
    cluster.apply({"timeZone": "Europe/Berlin"})
    cluster.api.late = []
    cluster.reconcile()
    (job,) = cluster.jobs()
    for _ in range(2):
        with pytest.raises(ApiConflict):
            cluster.reconcile()
    assert cluster.jobs() == [job]


def test_a_job_that_never_ran_and_is_gone_has_served_nothing() -> None:
    """No pod could start before its deadline: history tells of that, and another Job serves the request."""
    cluster = ran()
    cluster.apply({"runRequest": "now", "job": {"failedJobsHistoryLimit": 0}})
    cluster.settle()
    first = cluster.jobs()[-1]
    late = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    late |= {"lastTransitionTime": cluster.now.isoformat()}
    cluster.api.put({**first, "status": {"conditions": [late]}})
    cluster.settle()
    assert first["metadata"]["name"] not in {each["metadata"]["name"] for each in cluster.jobs()}
    assert cluster.status["lastRun"]["reason"] == "DeadlineExceeded"
    assert "startTime" not in cluster.status["lastRun"]
    assert cluster.status["runRequests"][0]["phase"] == "Running"
