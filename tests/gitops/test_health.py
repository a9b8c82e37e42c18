"""What Flux (kstatus), Argo CD (our Lua) and `kubectl wait` make of every state that a resource can be in."""

from __future__ import annotations

import json
import subprocess
from typing import Any
from uuid import UUID

import pytest

from profile_image_sync import names
from profile_image_sync.api.status import Brake, Outcome
from profile_image_sync.controller.run_result import BRAKE
from testkit.waiting import wait_for
from tests.gitops import argo_cd
from tests.gitops.conftest import Kstatus
from tests.support.operator import (
    Body,
    OperatorEnvironment,
    ended,
    finish,
    first_job,
    running_operator,
)

RESOURCE = ("profileimagesync", "acme")


def acme(tenant: OperatorEnvironment) -> Body:
    """Return the resource as it is now."""
    found = tenant.get(*RESOURCE)
    assert found is not None
    return found


def reach(tenant: OperatorEnvironment, ready: str, reason: str) -> Body:
    """Wait until Ready is told so of the present spec, and return the resource."""

    def reached() -> bool:
        seen = acme(tenant)["metadata"]["generation"]
        status = tenant.status()
        return status.get("observedGeneration") == seen and tenant.condition("Ready") == (
            ready,
            reason,
        )

    wait_for(f"Ready {ready}, {reason}", reached)
    return acme(tenant)


def end_run(tenant: OperatorEnvironment, job: str, code: int, **facts: Any) -> None:
    """End the Job's pod as a run that failed."""
    pod = wait_for("a pod", lambda: tenant.pod(job))
    tenant.end_pod(pod, ended(job, Outcome.FAILED, code, **facts))


def waiting_ends(tenant: OperatorEnvironment, condition: str, seconds: int) -> bool:
    """Tell whether `kubectl wait` is content."""
    admin = [str(tenant.control_plane.kubectl), f"--kubeconfig={tenant.control_plane.kubeconfig}"]
    what = [f"--namespace={tenant.namespace}", "/".join(RESOURCE), f"--timeout={seconds}s"]
    command = [*admin, "wait", *what, f"--for=condition={condition}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0


def health(resource: Body, says: str = "") -> str:
    """Return Argo CD's status of it, whose message must say this."""
    told = argo_cd.health(resource)
    assert says in told["message"]
    status: str = told["status"]
    return status


def test_a_resource_that_nobody_serves_is_in_progress(
    tenant: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """By the default of its status: no tool takes it for healthy."""
    tenant.apply()
    assert kstatus(acme(tenant)) == "InProgress"
    assert health(acme(tenant), "not seen") == "Progressing"
    assert not waiting_ends(tenant, "Ready", 1)


def test_a_first_run_is_in_progress_until_it_has_planned(
    served: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """Then it is healthy, while it uploads, when it has ended, and in later runs."""
    served.apply()
    job = first_job(served)
    fresh = reach(served, "Unknown", "FirstRunPending")
    assert kstatus(fresh) == "InProgress"
    assert health(fresh, "got through planning") == "Progressing"

    plan = ended(job).run.model_copy(update={"outcome": None, "completion_time": None})
    text = ended(job).model_copy(update={"run": plan}).model_dump_json(by_alias=True)
    patch = json.dumps({"data": {names.REPORT_KEY: text}})
    served.kubectl("patch", "configmap", names.report("acme"), "--patch", patch)
    running = reach(served, "True", "Ready")
    assert kstatus(running) == "Current"
    assert health(running, "under way") == "Healthy"
    assert waiting_ends(served, "Ready", 60)

    finish(served, job, ended(job))
    assert kstatus(acme(served)) == "Current"
    assert health(acme(served), "3 uploaded") == "Healthy"

    served.kubectl("annotate", *RESOURCE, f"{names.RUN_REQUEST_ANNOTATION}=1")
    wait_for("running", lambda: served.condition("Synced")[1] == "Running")
    assert kstatus(acme(served)) == "Current"
    assert health(acme(served)) == "Healthy"


def test_a_change_that_nobody_has_seen_is_in_progress(
    tenant: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """However healthy the former spec was: the operator is away, or slow."""
    operator = (tenant.control_plane.kubeconfig,)
    with running_operator(*operator, namespaces=(tenant.namespace,)):
        tenant.apply({"runOnCreate": False})
        waits = reach(tenant, "True", "Ready")
        assert kstatus(waits) == "Current"
        assert health(waits, "nothing has run yet") == "Healthy"
    tenant.apply({"runOnCreate": False, "schedule": "@daily"})
    assert kstatus(acme(tenant)) == "InProgress"
    assert health(acme(tenant), "not seen this generation") == "Progressing"
    assert not waiting_ends(tenant, "Ready", 1)
    with running_operator(*operator, namespaces=(tenant.namespace,)):
        assert kstatus(reach(tenant, "True", "Ready")) == "Current"


def test_a_failure_that_is_tried_again_does_not_fail_who_waits(
    served: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """Flux goes on waiting, Argo CD shows it; a run that failed for some people only is healthy."""
    served.apply({"job": {"backoffLimit": 0}})
    job = first_job(served)
    end_run(served, job, 30, reason="DirectoryUnavailable", message="dc1 is away.")
    failed = reach(served, "False", "DirectoryUnavailable")
    assert kstatus(failed) == "InProgress"
    assert health(failed, "dc1 is away. Retries at") == "Degraded"

    served.kubectl("annotate", *RESOURCE, f"{names.RUN_REQUEST_ANNOTATION}=1")
    again = wait_for("another Job", lambda: _other_job(served, job))
    finish(served, again, ended(again, Outcome.PARTIAL_FAILURE))
    partly = reach(served, "True", "Ready")
    assert kstatus(partly) == "Current"
    assert health(partly) == "Healthy"


def test_a_pause_fails_who_waits_until_something_is_corrected(
    served: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """Refused credentials: nothing goes on without a person; a correction is in progress until it has run."""
    served.apply()
    job = first_job(served)
    end_run(served, job, 20, reason="BindRefused", message="dc1 refused the password.")
    paused = reach(served, "False", "BindRefused")
    assert kstatus(paused) == "Failed"
    assert health(paused, "refused the password") == "Degraded"
    assert waiting_ends(served, "Stalled", 60)

    served.apply({"activeDirectory": {"servers": ["ldaps://dc2.corp.example"],
                                      "credentialsSecretRef": {"name": "ad-bind"}}})  # fmt: skip
    corrected = reach(served, "Unknown", "NotTriedYet")
    assert kstatus(corrected) == "InProgress"
    assert health(corrected, "not tried yet") == "Progressing"
    again = wait_for("another Job", lambda: _other_job(served, job))
    finish(served, again, ended(again))
    assert kstatus(reach(served, "True", "Ready")) == "Current"


def test_a_suspended_resource_is_shown_as_suspended(
    served: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """Nothing is wrong, and nothing will happen: Flux has one word for that, Argo CD another."""
    served.apply({"suspend": True})
    suspended = reach(served, "True", "Ready")
    assert kstatus(suspended) == "Current"
    assert health(suspended, "spec.suspend is set") == "Suspended"


STALLED = {
    "a time zone that does not exist": ({"timeZone": "Mars/Olympus"}, "InvalidSpec"),
    "a host that is not allowed": (
        {"highq": {"url": "https://evil.example/a", "credentialsSecretRef": {"name": "o"}}},
        "HostNotAllowed",
    ),
    "a state that is not there": ({"state": {"id": str(UUID(int=1))}}, "StateMissing"),
}


@pytest.mark.parametrize(("spec", "reason"), STALLED.values(), ids=STALLED)
def test_a_resource_that_waits_for_a_person_has_failed(
    served: OperatorEnvironment, kstatus: Kstatus, spec: Body, reason: str
) -> None:
    """Before any run: `flux` and `argocd app wait` end at once instead of at their deadline."""
    served.apply(spec)
    stalled = reach(served, "False", reason)
    assert kstatus(stalled) == "Failed"
    assert health(stalled) == "Degraded"
    assert waiting_ends(served, "Stalled", 60)


def test_a_pod_that_cannot_start_is_told_from_one_that_waits(
    served: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """No room on the nodes may pass by itself; a wrong image does not."""
    served.apply()
    pod = wait_for("a pod", lambda: served.pod(first_job(served)))
    scheduled(served, pod, "False")
    waits = reach(served, "False", "Unschedulable")
    assert kstatus(waits) == "InProgress"
    assert health(waits) == "Progressing"

    scheduled(served, pod, "True")
    served.end_pod(pod, None, waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    stuck = reach(served, "False", "ImagePullBackOff")
    assert kstatus(stuck) == "Failed"
    assert health(stuck, "no such image") == "Degraded"


def scheduled(tenant: OperatorEnvironment, pod: Body, status: str) -> None:
    """Play the scheduler: it has found a node for the pod, or not."""
    condition = {"type": "PodScheduled", "status": status}
    if status == "False":
        condition |= {"reason": "Unschedulable", "message": "0/3 nodes are available"}
    patch = json.dumps({"status": {"conditions": [condition]}})
    name = pod["metadata"]["name"]
    tenant.kubectl("patch", "pod", name, "--subresource=status", "--patch", patch)


def test_a_resource_that_is_being_deleted_is_terminating(
    served: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """Only if somebody else's finalizer holds it: we set none."""
    served.apply({"suspend": True})
    reach(served, "True", "Ready")
    served.kubectl("patch", *RESOURCE, "--type=merge", "--patch",
                   '{"metadata":{"finalizers":["example.org/hold"]}}')  # fmt: skip
    served.kubectl("delete", *RESOURCE, "--wait=false")
    assert kstatus(acme(served)) == "Terminating"
    served.kubectl("patch", *RESOURCE, "--type=merge", "--patch", '{"metadata":{"finalizers":[]}}')
    served.kubectl("wait", "/".join(RESOURCE), "--for=delete", "--timeout=60s")


def test_argo_cds_menu_starts_a_run_and_acknowledges_a_brake(
    served: OperatorEnvironment, kstatus: Kstatus
) -> None:
    """Each action changes one annotation, and the operator acts on it; no brake, nothing to acknowledge."""
    served.apply()
    job = first_job(served)
    assert argo_cd.actions(acme(served))["acknowledge"]["disabled"]
    brake = Brake(id="b7x2", reason="MaxChangedPercent", message="60 % changed.")
    end_run(served, job, 20, reason=BRAKE, message="60 % changed.", brake=brake)
    wait_for("the brake", lambda: served.status().get("brake"))
    stalled = acme(served)
    assert kstatus(stalled) == "Failed"
    assert health(stalled, "60 % changed") == "Degraded"
    menu = argo_cd.actions(stalled)["acknowledge"]
    assert menu == {"disabled": False, "displayName": "Acknowledge brake b7x2"}

    act(served, "acknowledge", names.ACKNOWLEDGE_ANNOTATION)
    again = wait_for("a run that may go on", lambda: _other_job(served, job))
    finish(served, again, ended(again))
    assert argo_cd.actions(acme(served))["acknowledge"]["disabled"]

    assert "disabled" not in argo_cd.actions(acme(served))["sync-now"]
    act(served, "sync-now", names.RUN_REQUEST_ANNOTATION)
    wait_for("a run that was asked for", lambda: _other_job(served, job, again))


def act(tenant: OperatorEnvironment, action: str, annotation: str) -> None:
    """Choose an action of Argo CD, which may change this annotation and nothing else."""
    before = acme(tenant)
    after = argo_cd.act(action, before)
    value = after["metadata"]["annotations"].pop(annotation)
    assert _comparable(after) == _comparable(before)
    patch = json.dumps({"metadata": {"annotations": {annotation: value}}})
    tenant.kubectl("patch", *RESOURCE, "--type=merge", "--patch", patch)


def _comparable(body: Body) -> Body:
    """Return it as after Lua, which knows no empty object; Argo CD gives it back."""
    same: Body = json.loads(json.dumps(body).replace("{}", "[]"))
    return same


def _other_job(tenant: OperatorEnvironment, *known: str) -> str | None:
    found = [each["metadata"]["name"] for each in tenant.items("jobs")]
    return next((name for name in found if name not in known), None)
