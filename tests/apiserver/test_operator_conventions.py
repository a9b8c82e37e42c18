"""What other operators' users reported, against a real API server: ours must survive it.

Each test is one of the failures that are known of operators of this kind: hot loops, one-off runs that run
again, children that GitOps tools prune, replicas that die.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from profile_image_sync import names
from profile_image_sync.api.state_header import decode_header, encode_header
from profile_image_sync.kube.client import PATIENT, ApiClient
from testkit.waiting import wait_for
from tests.support.operator import OperatorEnvironment, ended, running_operator

ONE_OFF = {"mode": "OneOff", "schedule": None}
GITOPS_LABELS = {
    "argocd.argoproj.io/instance": "tenants",
    "kustomize.toolkit.fluxcd.io/name": "tenants",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}
TRACKING = {"argocd.argoproj.io/tracking-id": "tenants:profileimagesync.io/ProfileImageSync"}
CHILDREN = "configmaps,cronjobs,jobs,leases,rolebindings,roles,secrets,serviceaccounts,pods"
START_REPLICA = (
    "import socket, sys; socket.gethostname = lambda: 'first'; "  # the name that holds the Lease
    "from profile_image_sync.__main__ import main; main()"
)


@contextmanager
def served(tenant: OperatorEnvironment, **settings: Any) -> Iterator[None]:
    """Run an operator for this namespace."""
    kubeconfig = tenant.control_plane.kubeconfig
    with running_operator(kubeconfig, namespaces=(tenant.namespace,), **settings):
        yield


def jobs(tenant: OperatorEnvironment) -> set[str]:
    """Return the names of the Jobs that are there."""
    return {each["metadata"]["name"] for each in tenant.items("jobs")}


def complete_first_run(tenant: OperatorEnvironment, name: str = "acme") -> str:
    """Play the worker of a first run in which everybody was served; return its Job's name."""
    (job,) = wait_for("a Job", lambda: [each for each in jobs(tenant) if f"-{name}-" in each])
    state = tenant.get("configmap", f"pisync-{name}-state") or {}
    header = decode_header(state["data"]["header"].encode(), "test")
    done = encode_header(header.model_copy(update={"first_sync_completed": True})).decode()
    patch = json.dumps({"data": {"header": done}})
    tenant.kubectl("patch", "configmap", f"pisync-{name}-state", "--patch", patch)
    tenant.end_pod(wait_for("a pod", lambda: tenant.pod(job)), ended(job))
    told = ("True", "Succeeded")
    wait_for("the run is told", lambda: tenant.condition("Synced", name) == told)
    wait_for("first sync told", lambda: tenant.status(name).get("firstSyncCompleted"))
    return job


def test_gitops_tools_do_not_take_our_children_for_theirs(tenant: OperatorEnvironment) -> None:
    """Their labels stay on the resource; what they note on it at each commit starts no run and no write."""
    with served(tenant):
        tenant.apply(annotations=TRACKING)
        words = [f"{name}={value}" for name, value in GITOPS_LABELS.items()]
        tenant.kubectl("label", "profileimagesync", "acme", *words)
        job = complete_first_run(tenant)
        marked = [
            f"{child['kind']} {child['metadata']['name']}"
            for child in tenant.items(CHILDREN)
            if {*GITOPS_LABELS, *TRACKING}
            & {*child["metadata"].get("labels", {}), *child["metadata"].get("annotations", {})}
        ]
        assert marked == []
        before = versions(tenant, f"profileimagesyncs,{CHILDREN}", "acme")
        annotate_fifty_times(tenant)
        tenant.apply({"suspend": True}, "later")
        wait_for(
            "what came later is served", lambda: tenant.condition("Ready", "later")[0] == "True"
        )
        after = versions(tenant, f"profileimagesyncs,{CHILDREN}", "acme")
        assert {at for at in before | after if before.get(at) != after.get(at)} == {
            ("ProfileImageSync", "acme")  # by the tool, not by us
        }
        assert jobs(tenant) == {job}


def annotate_fifty_times(tenant: OperatorEnvironment) -> None:
    """Do what a GitOps tool does at each commit."""
    environment = {"KUBECONFIG": str(tenant.control_plane.kubeconfig)}
    with ApiClient.connect(environment, field_manager="gitops", retry=PATIENT) as client:
        for number in range(50):
            noted = {"annotations": {"commit": f"c{number}"}}
            metadata = {"name": "acme", "namespace": tenant.namespace, **noted}
            kind = {"apiVersion": names.API_VERSION, "kind": names.KIND}
            client.patch({**kind, "metadata": metadata})


def versions(tenant: OperatorEnvironment, kinds: str, part: str = "") -> dict[tuple[str, str], str]:
    """Return the version of each object whose name has this part."""
    metadata = [(each["kind"], each["metadata"]) for each in tenant.items(kinds)]
    return {
        (kind, meta["name"]): meta["resourceVersion"]
        for kind, meta in metadata
        if part in meta["name"]
    }


def test_a_one_off_runs_once_whatever_becomes_of_its_job(tenant: OperatorEnvironment) -> None:
    """Its Job expires, the operator restarts, tools label it, a Secret rotates, it is applied again."""
    secret = ("secret", "generic", "ad-bind", "--from-literal=username=u")
    tenant.kubectl("create", *secret, "--from-literal=password=first")
    with served(tenant):
        tenant.apply(ONE_OFF)
        job = complete_first_run(tenant)
        tenant.kubectl("delete", "job", job)  # as its TTL does
    with served(tenant):
        tenant.kubectl("label", "profileimagesync", "acme", "team=b")
        tenant.kubectl("patch", "secret", "ad-bind", '--patch={"stringData":{"password":"second"}}')
        tenant.apply(ONE_OFF)
        tenant.apply({**ONE_OFF, "timeZone": "Europe/London"})  # seen after all of that
        wait_for("it is seen", lambda: tenant.status().get("observedGeneration") == 2)
        assert jobs(tenant) == set()

        tenant.kubectl("delete", "profileimagesync", "acme")
        wait_for("its children are gone", lambda: not tenant.items("roles"))
        tenant.apply(ONE_OFF)
        wait_for("made anew, it is done", lambda: tenant.condition("Synced")[0] == "True")
        assert jobs(tenant) == set()


def test_healthy_resources_are_left_alone(tenant: OperatorEnvironment) -> None:
    """Twenty of them, looked at again and again: no object gets a new version, and no run starts."""
    idle = [f"idle{number}" for number in range(20)]
    kinds = f"profileimagesyncs,events,{CHILDREN}"
    with served(tenant, resync_seconds=10):
        for name in idle:
            tenant.apply({"suspend": True}, name)
        wait_for("all are ready", lambda: all(_ready(tenant, name) for name in idle), 120)
        time.sleep(11)  # a resync, in which the last of what was to be done is done
        before = versions(tenant, kinds)
        time.sleep(21)  # two more
        assert versions(tenant, kinds) == before


def _ready(tenant: OperatorEnvironment, name: str) -> bool:
    return tenant.condition("Ready", name)[0] == "True"


def test_a_mode_may_change_and_nobody_is_served_twice(tenant: OperatorEnvironment) -> None:
    """OneOff takes the schedule away, Continuous brings it back; neither begins with another first run."""
    with served(tenant):
        tenant.apply()
        job = complete_first_run(tenant)
        tenant.apply(ONE_OFF)
        wait_for("no schedule", lambda: tenant.get("cronjob", "pisync-acme") is None)
        wait_for("it is seen", lambda: tenant.status().get("observedGeneration") == 2)
        assert "nextRunTime" not in tenant.status()
        tenant.apply()
        wait_for("the schedule is back", lambda: tenant.get("cronjob", "pisync-acme"))
        wait_for("it is told", lambda: "nextRunTime" in tenant.status())
        assert jobs(tenant) == {job}


def test_a_leader_that_is_killed_is_followed_and_no_run_is_made_twice(
    tenant: OperatorEnvironment, tmp_path: Path
) -> None:
    """It gives nothing back: the Lease runs out, and the other replica goes on where it was."""
    leader = {"leader_namespace": tenant.namespace, "leader_lease": "leader"}
    first = _start_replica(tenant, tmp_path)
    try:
        tenant.apply()
        wait_for("the first one works", lambda: jobs(tenant))
        with served(tenant, **leader):
            lease = (tenant.get("lease", "leader") or {})["spec"]
            assert lease["holderIdentity"] == "first"
            late = [f"late{number}" for number in range(5)]
            for name in late[:2]:
                tenant.apply(name=name)
            os.kill(first.pid, signal.SIGKILL)
            for name in late[2:]:
                tenant.apply(name=name)
            wait_for("the other one leads", lambda: _holder(tenant) not in ("first", ""), 120)
            wait_for("all are served", lambda: len(jobs(tenant)) >= 6, 120)
            wait_for("all are told", lambda: all(map(tenant.status, late)), 120)
            assert len(jobs(tenant)) == 6  # one for each
    finally:
        first.kill()
        first.wait()


def _holder(tenant: OperatorEnvironment) -> str:
    holder: str = (tenant.get("lease", "leader") or {})["spec"].get("holderIdentity", "")
    return holder


def _start_replica(tenant: OperatorEnvironment, folder: Path) -> subprocess.Popen[bytes]:
    """Start an operator as a process of its own, which can be killed."""
    settings = folder / "operator.json"
    settings.write_text(
        json.dumps(
            {
                "workerImage": "registry.example/sync:1",
                "watchNamespaces": [tenant.namespace],
                "leaderNamespace": tenant.namespace,
                "leaderLease": "leader",
            }
        )
    )
    environment = os.environ | {"KUBECONFIG": str(tenant.control_plane.kubeconfig)}
    ports = ("--health-port=0", "--metrics-port=0")
    command = [sys.executable, "-c", START_REPLICA, "operator", f"--settings={settings}", *ports]
    with (folder / "replica.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)
