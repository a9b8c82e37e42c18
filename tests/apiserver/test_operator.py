"""The operator against a real API server: what it makes, mends, tells, and leaves alone.

There is no kubelet: a test plays it where a pod has to end.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from profile_image_sync.api.status import Outcome
from profile_image_sync.controller import loop
from testkit.control_plane import ControlPlane
from testkit.waiting import wait_for
from tests.support.operator import (
    Body,
    OperatorEnvironment,
    ended,
    finish,
    first_job,
    running_operator,
)

SOON = 30.0  # seconds: the promise for repairs and for what Kubernetes knows


def test_a_run_is_told_by_its_pod_although_no_report_was_written(
    served: OperatorEnvironment,
) -> None:
    """Apply, first run, end: with numbers, though the worker could not write its ConfigMap."""
    served.apply()
    job = first_job(served)
    assert served.condition("Ready") == ("Unknown", "FirstRunPending")
    finish(served, job, ended(job))
    wait_for("ready", lambda: served.condition("Ready") == ("True", "Ready"))
    last = served.status()["lastRun"]
    assert (last["job"], last["uploaded"]) == (job, 3)


EDITS = {
    "cronjob": '{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"hostNetwork":true}}}}}}',
    "role": '{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}',
    "rolebinding": '{"subjects":[]}',
    "lease": '{"metadata":{"labels":{"profileimagesync.io/sync":"other"}}}',
}


def test_what_somebody_edits_or_removes_is_repaired_at_once(served: OperatorEnvironment) -> None:
    """Every child, added fields too, with an event; and then nothing more is written."""
    served.apply({"suspend": True})
    wait_for("children", lambda: served.condition("Ready")[0] == "True")
    before = {kind: _essence(served.get(kind, "pisync-acme")) for kind in EDITS}
    for kind, patch in EDITS.items():
        served.kubectl("patch", kind, "pisync-acme", "--type=merge", "--patch", patch)
    served.kubectl("delete", "configmap", "pisync-acme-report")
    served.kubectl("delete", "serviceaccount", "pisync-acme")
    wait_for(
        "what was edited is repaired",
        lambda: {kind: _essence(served.get(kind, "pisync-acme")) for kind in EDITS} == before,
        SOON,
    )
    wait_for("the report is there", lambda: served.get("configmap", "pisync-acme-report"), SOON)
    wait_for("the account is there", lambda: served.get("serviceaccount", "pisync-acme"), SOON)
    events = served.items("events.v1.events.k8s.io")
    repaired = {each["note"].split(" ")[0] for each in events if each["reason"] == "Repaired"}
    assert {"CronJob", "Role", "RoleBinding", "ConfigMap", "ServiceAccount"} <= repaired


def _essence(body: Body | None) -> Body:
    """Return what is ours of an object."""
    assert body is not None
    kept = {key: body.get(key) for key in ("spec", "rules", "subjects")}
    return kept | {"labels": body["metadata"]["labels"]}


def test_an_idle_resource_costs_neither_a_write_nor_a_request(
    served: OperatorEnvironment,
) -> None:
    """Woken again and again by labels and annotations of GitOps tools, too."""
    served.apply()
    job = first_job(served)
    finish(served, job, ended(job))
    time.sleep(1.0)  # what the end of the run led to is written
    since = served.control_plane.audit_log.stat().st_size
    for number in range(5):
        served.kubectl("label", "profileimagesync", "acme", f"commit={number}", "--overwrite")
    time.sleep(2.0)
    asked = [
        (each["verb"], each["requestURI"])
        for each in _audit(served.control_plane, since)
        if "acme" in each["requestURI"] and "python" in each.get("userAgent", "").lower()
    ]
    assert asked == []


def _audit(control_plane: ControlPlane, since: int) -> list[Body]:
    with control_plane.audit_log.open("rb") as log:
        log.seek(since)
        return [json.loads(line) for line in log if line.strip()]


def test_a_request_is_served_though_its_first_job_stepped_back(
    served: OperatorEnvironment,
) -> None:
    """Busy: exit 0, and no failed Job for anybody's alert."""
    served.apply()
    job = first_job(served)
    finish(served, job, ended(job))
    served.apply({"runRequest": "a$$b $(HOME)"})
    asked = wait_for("the request's Job", lambda: _other_job(served, job))
    busy = ended(asked, Outcome.BUSY, 10, reason="Busy")
    served.end_pod(wait_for("a pod", lambda: served.pod(asked)), busy)
    wait_for("it is pending again", lambda: _phase(served) == "Pending")
    assert served.status()["lastRun"]["job"] == job
    conditions = (served.get("job", asked) or {})["status"]["conditions"]
    assert "Failed" not in {each["type"] for each in conditions}


def _other_job(tenant: OperatorEnvironment, job: str) -> str | None:
    names = [each["metadata"]["name"] for each in tenant.items("jobs")]
    return next((name for name in names if name != job), None)


def _phase(tenant: OperatorEnvironment) -> str:
    requests: list[Body] = tenant.status().get("runRequests", [])
    phase: str = requests[0]["phase"] if requests else ""
    return phase


def test_a_mended_secret_starts_a_run_and_an_annotation_on_it_does_not(
    served: OperatorEnvironment,
) -> None:
    """Only its data may lift a pause: noticed within half a minute, and tried at once.

    That it was made in the same second as the Job, which the API server cannot tell apart, is no mending.
    """
    secret = ("secret", "generic", "ad-bind", "--from-literal=username=u")
    served.kubectl("create", *secret, "--from-literal=password=wrong")
    served.apply()
    job = first_job(served)
    refused = ended(job, Outcome.FAILED, 20, reason="BindRefused", message="refused.")
    served.end_pod(wait_for("a pod", lambda: served.pod(job)), refused)
    wait_for("stalled", lambda: served.condition("Stalled") == ("True", "BindRefused"))
    served.kubectl("annotate", "secret", "ad-bind", "note=looked at")
    time.sleep(25)
    assert _other_job(served, job) is None
    patch = '{"stringData":{"password":"right"}}'
    served.kubectl("patch", "secret", "ad-bind", "--patch", patch)
    wait_for("a run starts", lambda: _other_job(served, job), SOON)
    wait_for("no word of the old failure", lambda: served.condition("Ready")[1] != "BindRefused")
    assert served.condition("Stalled")[1] != "BindRefused"


def test_a_pod_that_cannot_start_is_told_and_replaced_when_the_spec_changes(
    served: OperatorEnvironment,
) -> None:
    """Not hours later, when the Job's deadline ends it."""
    served.apply()
    job = first_job(served)
    pod = wait_for("a pod", lambda: served.pod(job))
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    served.end_pod(pod, None, waiting=waiting)
    told = ("True", "ImagePullBackOff")
    wait_for("told", lambda: served.condition("Stalled") == told, SOON)
    served.apply({"job": {"resources": {"limits": {"memory": "1Gi"}}}})
    wait_for("another Job", lambda: _other_job(served, job), SOON)
    wait_for("the first is gone", lambda: served.get("job", job) is None, SOON)


def test_a_deleted_resource_takes_its_children_and_leaves_its_state(
    served: OperatorEnvironment,
) -> None:
    """No finalizer, no operator needed; made anew, it goes on with its state."""
    served.apply()
    first_job(served)
    state = (served.get("configmap", "pisync-acme-state") or {})["data"]["header"]
    served.kubectl("delete", "profileimagesync", "acme")
    wait_for("children are gone", lambda: not served.items("cronjobs,jobs,roles"), 60)
    assert (served.get("configmap", "pisync-acme-state") or {})["data"]["header"] == state
    served.apply()
    wait_for("it is served again", lambda: served.items("jobs"), 60)
    assert served.status()["state"]["id"] == json.loads(state)["id"]


NODE: Body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}


def test_a_pod_keeps_what_it_needs_until_it_has_ended(served: OperatorEnvironment) -> None:
    """The resource is deleted amid a run: what HighQ has accepted is still recorded."""
    served.kubectl("create", "--filename=-", text=json.dumps(NODE))
    served.apply()
    pod = wait_for("a pod", lambda: served.pod(first_job(served)))
    name = pod["metadata"]["name"]
    target = {"apiVersion": "v1", "kind": "Node", "name": "node-1"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
    place = f"/api/v1/namespaces/{served.namespace}/pods/{name}/binding"
    served.kubectl("create", "--raw", place, "--filename=-", text=json.dumps(binding))
    needed = "serviceaccounts,roles,rolebindings,leases"
    wait_for("owners", lambda: all(_owned_by_pod(each) for each in _named(served, needed)))

    served.kubectl("delete", "profileimagesync", "acme")
    wait_for("the Job is gone", lambda: not served.items("jobs"))
    time.sleep(2.0)
    assert len(_named(served, needed)) == 4
    served.kubectl("delete", "pod", name, "--force", "--grace-period=0")
    wait_for("the rest is gone", lambda: not _named(served, needed), 60)


def _named(tenant: OperatorEnvironment, kinds: str) -> list[Body]:
    return [each for each in tenant.items(kinds) if each["metadata"]["name"] == "pisync-acme"]


def _owned_by_pod(body: Body) -> bool:
    return "Pod" in {each["kind"] for each in body["metadata"].get("ownerReferences", [])}


def test_a_state_that_is_to_go_with_its_resource_goes_without_an_operator(
    tenant: OperatorEnvironment,
) -> None:
    """deletionPolicy: Delete, with the operator down: the garbage collector is enough."""
    with running_operator(tenant.control_plane.kubeconfig, namespaces=(tenant.namespace,)):
        tenant.apply({"state": {"deletionPolicy": "Delete"}})
        first_job(tenant)
    tenant.kubectl("delete", "profileimagesync", "acme")
    wait_for("it is gone", lambda: tenant.get("configmap", "pisync-acme-state") is None, 60)


def test_a_namespace_that_forbids_us_harms_nobody_else(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """The others are served, and the process is well."""
    good, bad = OperatorEnvironment(control_plane), OperatorEnvironment(control_plane)
    kubeconfig = _restricted_to(good, tmp_path)
    bad.apply()
    namespaces = (bad.namespace, good.namespace)
    with running_operator(kubeconfig, namespaces=namespaces) as operator:
        good.apply()
        first_job(good)
        assert operator.loop.problem() is None
        assert bad.items("jobs") == []
        bad.kubectl("create", "rolebinding", "back", "--clusterrole=admin-of-all", "--serviceaccount="
                    f"{good.namespace}:operator")  # fmt: skip
        wait_for("served once it is allowed", lambda: bad.items("jobs"), 90)


def _restricted_to(tenant: OperatorEnvironment, folder: Path) -> Path:
    """Return the kubeconfig of an account that may do everything in one namespace only."""
    tenant.kubectl("create", "serviceaccount", "operator")
    role = ("--verb=*", "--resource=*.*")
    tenant.kubectl("create", "clusterrole", "admin-of-all", *role)
    account = f"--serviceaccount={tenant.namespace}:operator"
    tenant.kubectl("create", "rolebinding", "operator", "--clusterrole=admin-of-all", account)
    token = tenant.kubectl("create", "token", "operator").strip()
    config = json.loads(tenant.control_plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_an_operator_that_sees_nothing_any_more_is_unhealthy(
    tenant: OperatorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server is away, or its credentials have expired: the kubelet starts it anew."""
    monkeypatch.setattr(loop, "BLIND_SECONDS", 1.0)
    with running_operator(tenant.control_plane.kubeconfig) as operator:
        wait_for("it sees", lambda: operator.loop.problem() is None)
        with tenant.control_plane.api_server_down():
            problem = wait_for("it is blind", operator.loop.problem)
            assert "nothing can be watched" in problem
        wait_for("it sees again", lambda: operator.loop.problem() is None, 60)


def test_two_replicas_make_one_job_and_one_continues_when_the_other_ends(
    tenant: OperatorEnvironment,
) -> None:
    """The leader gives its Lease back; a request made meanwhile is served once."""
    kubeconfig = tenant.control_plane.kubeconfig
    leader = {"leader_namespace": tenant.namespace, "leader_lease": "leader"}
    with ExitStack() as replicas:
        first = ExitStack()
        first.enter_context(running_operator(kubeconfig, namespaces=(tenant.namespace,), **leader))
        replicas.enter_context(
            running_operator(kubeconfig, namespaces=(tenant.namespace,), **leader)
        )
        tenant.apply()
        job = first_job(tenant)
        finish(tenant, job, ended(job))
        first.close()
        tenant.apply({"runRequest": "now"})
        wait_for("the other one serves", lambda: _other_job(tenant, job), 60)
        assert len(tenant.items("jobs")) == 2


def test_a_create_that_is_refused_is_told_and_names_no_state(served: OperatorEnvironment) -> None:
    """A quota on ConfigMaps: once it is lifted, the resource runs as if nothing had been."""
    served.kubectl("create", "quota", "none", "--hard=count/configmaps=0")
    wait_for("the quota holds", lambda: (served.get("quota", "none") or {}).get("status"))
    served.apply()
    wait_for("refused", lambda: served.condition("Stalled") == ("True", "Refused"))
    assert "state" not in served.status()
    served.kubectl("delete", "quota", "none")
    first_job(served)


def test_a_crd_that_drops_our_fields_does_not_lift_a_pause(served: OperatorEnvironment) -> None:
    """An older CRD prunes status.pause: no account is tried again for that."""
    served.apply()
    job = first_job(served)
    refused = ended(job, Outcome.FAILED, 20, reason="BindRefused", message="refused.")
    served.end_pod(wait_for("a pod", lambda: served.pod(job)), refused)
    wait_for("stalled", lambda: served.condition("Stalled") == ("True", "BindRefused"))
    patch = '[{"op":"remove","path":"/status/pause"}]'
    served.kubectl(
        "patch", "profileimagesync", "acme", "--subresource=status", "--type=json", "--patch", patch
    )
    time.sleep(3)
    assert _other_job(served, job) is None
    assert (served.get("cronjob", "pisync-acme") or {})["spec"]["suspend"] is True


def test_children_that_were_orphaned_are_taken_up_by_a_resource_made_anew(
    served: OperatorEnvironment,
) -> None:
    """`kubectl delete --cascade=orphan`, and applied again: in line, owned and told as what is so."""
    served.apply({"suspend": True})
    wait_for("children", lambda: served.condition("Ready")[0] == "True")
    served.kubectl("delete", "profileimagesync", "acme", "--cascade=orphan", "--timeout=60s")
    left = served.get("cronjob", "pisync-acme") or {}
    assert "ownerReferences" not in left["metadata"]
    served.apply({"suspend": True, "timeZone": "Europe/London"})
    wait_for("ready", lambda: served.condition("Ready")[0] == "True")
    owner = (served.get("profileimagesync", "acme") or {})["metadata"]["uid"]
    for kind in ("cronjob", "serviceaccount", "role", "rolebinding", "lease"):
        child = served.get(kind, "pisync-acme") or {}
        assert [each["uid"] for each in child["metadata"]["ownerReferences"]] == [owner]
    taken = served.get("cronjob", "pisync-acme") or {}
    assert taken["metadata"]["uid"] == left["metadata"]["uid"]
    assert taken["spec"]["timeZone"] == "Europe/London"
