"""Deletion, re-creation, and an operator that dies at the wrong moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from testkit.cluster_tenant import ClusterTenant
from testkit.environment import CHART, OPERATOR
from testkit.kind_cluster import Document
from testkit.sync_command import ordinary
from testkit.waiting import wait_for

TOKEN = "pisync-token-highq-oauth"


def test_a_deleted_resource_keeps_its_state_and_goes_on_where_it_was(tenant: ClusterTenant) -> None:
    """With the operator away: the resource and its children go, the state stays; re-created, all is quiet."""
    environment, cluster, name = (
        tenant.environment,
        tenant.environment.cluster,
        f"pisync-{tenant.name}",
    )
    tenant.add_people([ordinary("Ann Ashes", 1), ordinary("Bob Ashes", 2)])
    tenant.apply(dryRun=False)
    assert tenant.next_run({})["uploaded"] == 2
    state = tenant.status()["state"]["id"]
    tenant.highq.reset_audit()

    environment.scale_operator(0)
    try:
        cluster.kubectl(
            "delete",
            "profileimagesync",
            tenant.name,
            f"--namespace={tenant.namespace}",
            "--timeout=30s",
        )
        for kind in ("cronjob", "role", "serviceaccount", "lease", "job"):
            wait_for(f"{kind} gone", partial(_none_left, tenant, kind), 120)
        assert cluster.get("configmap", f"{name}-state", tenant.namespace)
        assert cluster.get("configmap", f"{name}-state-000", tenant.namespace)
    finally:
        environment.scale_operator(1)
    tenant.apply()
    run = tenant.next_run({})

    assert (run["uploaded"], run["unchanged"]) == (0, 2)
    assert tenant.status()["state"]["id"] == state
    assert tenant.avatar_calls() == []


def test_a_resource_that_is_made_anew_at_once_waits_for_the_former_children(
    tenant: ClusterTenant,
) -> None:
    """`kubectl replace --force`, a pipeline that prunes and applies: no NameConflict, no upload."""
    cluster = tenant.environment.cluster
    tenant.add_people([ordinary("Fay Ashes", 6)])
    tenant.apply(dryRun=False)
    assert tenant.next_run({})["uploaded"] == 1

    where = f"--namespace={tenant.namespace}"
    cluster.kubectl("delete", "profileimagesync", tenant.name, where, "--wait=false")
    tenant.apply()
    run = tenant.next_run({})

    assert (run["uploaded"], run["unchanged"]) == (0, 1)
    assert tenant.condition("Stalled")["status"] == "False"


def test_a_field_that_is_taken_out_is_taken_out_of_the_schedule(tenant: ClusterTenant) -> None:
    """Not only what is added or changed reaches the CronJob."""
    cluster, name = tenant.environment.cluster, f"pisync-{tenant.name}"

    def selector() -> object:
        found = cluster.get("cronjob", name, tenant.namespace)
        return found and found["spec"]["jobTemplate"]["spec"]["template"]["spec"].get(
            "nodeSelector", {}
        )

    tenant.apply(runOnCreate=False, job={"nodeSelector": {"kubernetes.io/os": "linux"}})
    wait_for("the selector", lambda: selector() == {"kubernetes.io/os": "linux"}, 120)
    tenant.apply(job={"nodeSelector": None})
    wait_for("no selector", lambda: selector() == {}, 120)


def test_a_child_that_is_edited_or_deleted_by_hand_is_restored(tenant: ClusterTenant) -> None:
    """Within moments, not at the next resync."""
    cluster, name = tenant.environment.cluster, f"pisync-{tenant.name}"
    where = f"--namespace={tenant.namespace}"
    tenant.apply(runOnCreate=False)
    wait_for("the CronJob", lambda: cluster.get("cronjob", name, tenant.namespace), 120)

    edit = '{"spec":{"suspend":true,"concurrencyPolicy":"Allow"}}'
    cluster.kubectl("patch", "cronjob", name, where, "--type=merge", "-p", edit)
    wait_for("the edit undone", lambda: _policy(tenant) == ("Forbid", False), 30)
    cluster.kubectl("delete", "cronjob", name, where)
    wait_for("the CronJob again", lambda: _policy(tenant) == ("Forbid", False), 30)


def test_objects_of_others_that_have_a_childs_name_are_left_alone(tenant: ClusterTenant) -> None:
    """Without our labels they do not show before they are in the way; then the resource names them all."""
    cluster, name = tenant.environment.cluster, f"pisync-{tenant.name}"
    foreign = {
        "serviceaccount": (),
        "role": ("--verb=get", "--resource=configmaps"),
        "rolebinding": ("--role=any", "--user=any"),
        "cronjob": ("--image=any", "--schedule=@yearly"),
    }
    for kind, options in foreign.items():
        cluster.kubectl("create", kind, name, f"--namespace={tenant.namespace}", *options)
    before = {kind: cluster.get(kind, name, tenant.namespace) for kind in foreign}

    tenant.apply(runOnCreate=False)

    wait_for("told", lambda: tenant.condition("Stalled").get("reason") == "NameConflict", 60)
    told = tenant.condition("Stalled")["message"].lower()
    assert [kind for kind in foreign if f"{kind} {name}" not in told] == []
    assert {kind: cluster.get(kind, name, tenant.namespace) for kind in foreign} == before


def test_a_resource_that_owns_its_state_takes_it_along(tenant: ClusterTenant) -> None:
    """`state.deletionPolicy: Delete`, decided later; and a schedule that is taken out leaves no CronJob."""
    cluster, name = tenant.environment.cluster, f"pisync-{tenant.name}"

    def state() -> Document | None:
        return cluster.get("configmap", f"{name}-state", tenant.namespace)

    tenant.apply(runOnCreate=False)
    wait_for("the state", state, 60)
    tenant.apply(mode="OneOff", schedule=None, suspend=True, state={"deletionPolicy": "Delete"})
    wait_for("no CronJob", lambda: _none_left(tenant, "cronjob"), 60)
    wait_for("an owner", lambda: (state() or {})["metadata"].get("ownerReferences"), 60)

    where = f"--namespace={tenant.namespace}"
    cluster.kubectl("delete", "profileimagesync", tenant.name, where, "--timeout=30s")

    wait_for("no state", lambda: state() is None, 60)


def test_a_namespace_goes_with_the_operator_away(tenant: ClusterTenant) -> None:
    """No finalizer holds it: nothing hangs in Terminating."""
    tenant.add_people([ordinary("Cy Ashes", 3)])
    tenant.apply(dryRun=False)
    tenant.next_run({})

    tenant.environment.scale_operator(0)
    try:
        tenant.environment.cluster.kubectl("delete", "namespace", tenant.namespace, "--timeout=60s")
    finally:
        tenant.environment.scale_operator(1)


def test_an_installation_that_comes_and_goes_disturbs_no_run(
    tenant: ClusterTenant, tmp_path: Path
) -> None:
    """Upgraded, rolled back, uninstalled, installed again while a run uploads: each picture goes up once."""
    cluster = tenant.environment.cluster
    tenant.add_people([ordinary(f"Ivy Ashes{n}", n) for n in range(20, 60)])
    tenant.highq.knobs(latency=1)  # seconds a call
    tenant.apply(dryRun=False)
    wait_for("an upload", tenant.highq.uploads, 120)
    tenant.highq.knobs(latency=25)  # six rounds and more: the run lasts until it is set free
    values = tmp_path / "values.yaml"
    values.write_text(_helm(tenant, "get", "values", "--output=yaml"))

    changed = ("--reuse-values", "--set=resyncSeconds=600", "--wait")
    _helm(tenant, "upgrade", str(CHART), *changed)
    assert _resync_seconds(tenant) == 600
    _helm(tenant, "rollback", "--wait")
    assert _resync_seconds(tenant) == 20
    _helm(tenant, "uninstall", "--wait")
    try:
        (job,) = tenant.jobs()
        assert job["status"].get("active") == 1, "the run was over too early for this test"
        name = f"pisync-{tenant.name}"
        for kind, kept in (("cronjob", name), ("configmap", f"{name}-state"), ("secret", TOKEN)):
            assert cluster.get(kind, kept, tenant.namespace), kind
        assert tenant.condition("Ready")
        tenant.highq.knobs(latency=0)
        wait_for("the end of the Job", lambda: tenant.jobs()[0]["status"].get("succeeded"), 120)
    finally:
        _helm(tenant, "install", str(CHART), f"--values={values}", "--wait")

    run = tenant.next_run({})
    assert (run["outcome"], run["uploaded"]) == ("Succeeded", 40)
    again = tenant.run_now()
    assert (again["uploaded"], again["unchanged"]) == (0, 40)
    assert sorted(tenant.avatar_calls()) == sorted(tenant.ids.values())


def _helm(tenant: ClusterTenant, *arguments: str) -> str:
    """Do something with the operator's release."""
    verbs = 2 if arguments[0] == "get" else 1
    place = (OPERATOR, *arguments[verbs:], f"--namespace={OPERATOR}")
    return tenant.environment.cluster.helm(*arguments[:verbs], *place)


def _resync_seconds(tenant: ClusterTenant) -> int:
    found = tenant.environment.cluster.get("configmap", OPERATOR, OPERATOR) or {}
    seconds: int = json.loads(found["data"]["operator.json"])["resyncSeconds"]
    return seconds


@pytest.mark.parametrize(
    "moment", ["as the resource is applied", "as the Job starts", "amid the uploads"]
)
def test_an_operator_that_dies_makes_no_second_run(
    new_tenant: Callable[[], ClusterTenant], moment: str
) -> None:
    """Killed and started again at any moment of a run: one Job, one report, the right status."""
    tenant = new_tenant()
    people = [ordinary(f"Person {tenant.name[-3:]}{n}", n) for n in range(12)]
    tenant.add_people(people)
    tenant.highq.knobs(latency=0.5)
    tenant.apply(mode="OneOff", schedule=None, dryRun=False)
    if moment == "as the Job starts":
        wait_for("a Job", tenant.jobs, 120)
    elif moment == "amid the uploads":
        wait_for("an upload", tenant.highq.uploads, 120)

    tenant.environment.kill_operator()
    run = tenant.next_run({})

    assert (run["outcome"], run["uploaded"]) == ("Succeeded", 12)
    (job,) = tenant.jobs()
    assert run["job"] == job["metadata"]["name"]
    assert sorted(tenant.avatar_calls()) == sorted(tenant.ids.values())
    assert tenant.status()["firstSyncCompleted"]


def test_a_suspended_resource_runs_only_when_asked(tenant: ClusterTenant) -> None:
    """`suspend` stops the schedule and the first run; a request still runs."""
    tenant.add_people([ordinary("Dee Ashes", 4)])
    tenant.apply(suspend=True, dryRun=False)
    wait_for("Suspended", lambda: tenant.condition("Synced").get("reason") == "Suspended", 120)
    assert tenant.jobs() == []

    assert tenant.run_now()["uploaded"] == 1


def test_a_request_in_the_spec_makes_one_run(tenant: ClusterTenant) -> None:
    """A pipeline sets `runRequest`; the same value again asks for nothing."""
    tenant.add_people([ordinary("Eve Ashes", 5)])
    tenant.apply(dryRun=False, runOnCreate=False, runRequest="release-7")

    run = tenant.next_run({})

    assert (run["request"], run["uploaded"]) == ("release-7", 1)
    tenant.apply(safety={"maxChangedPercent": 60})  # reconciled again, with the same request
    wait_for("the new generation", lambda: tenant.status()["observedGeneration"] >= 2, 120)
    assert len(tenant.jobs()) == 1


def test_a_pod_that_no_node_takes_is_told_and_replaced_when_the_spec_is_corrected(
    tenant: ClusterTenant,
) -> None:
    """Told as that within half a minute; the correction does not wait for the Job's deadline."""
    tenant.add_people([ordinary("Gil Ashes", 7)])
    tenant.apply(dryRun=False, job={"nodeSelector": {"kubernetes.io/arch": "z80"}})
    wait_for("told", lambda: tenant.condition("Ready").get("reason") == "Unschedulable", 60)
    assert tenant.condition("Stalled")["status"] == "False"

    tenant.apply(job={"nodeSelector": None})

    assert tenant.next_run({})["uploaded"] == 1
    assert tenant.condition("Ready")["status"] == "True"


def test_a_worker_that_is_killed_for_its_memory_is_told_as_that(tenant: ClusterTenant) -> None:
    """With the field to raise; raised, a run starts at once."""
    tenant.add_people([ordinary("Hal Ashes", 8)])
    tenant.apply(dryRun=False, job={"backoffLimit": 0, "resources": {"limits": {"memory": "20Mi"}}})

    killed = tenant.next_run({})

    assert (killed["outcome"], killed["reason"]) == ("Failed", "OOMKilled")
    assert tenant.condition("Stalled")["reason"] == "OOMKilled"
    assert "spec.job.resources.limits.memory" in tenant.condition("Ready")["message"]

    tenant.apply(job={"resources": {"limits": {"memory": "512Mi"}}})
    assert tenant.next_run(killed)["uploaded"] == 1


def _none_left(tenant: ClusterTenant, kind: str) -> bool:
    label = f"profileimagesync.io/sync={tenant.name}"
    return not tenant.environment.cluster.select(kind, tenant.namespace, label)


def _policy(tenant: ClusterTenant) -> tuple[str, bool] | None:
    found = tenant.environment.cluster.get("cronjob", f"pisync-{tenant.name}", tenant.namespace)
    return (found["spec"]["concurrencyPolicy"], found["spec"]["suspend"]) if found else None
