"""`check --in-cluster` on a real API server: the Job that it makes, the rights that it needs, its end.

There is no kubelet here, so that no pod ever starts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from profile_image_sync import names
from testkit.waiting import wait_for
from tests.support.worker_environment import SPEC, WorkerEnvironment
from tests.unit.cli.command import command

TEMPLATE: dict[str, Any] = {
    "backoffLimit": 2,
    "template": {
        "metadata": {
            "labels": {**names.labels("acme", "worker"), "team": "identity"},
            "annotations": {"sidecar.istio.io/inject": "false"},
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "pisync-acme",
            "containers": [
                {
                    "name": "worker",
                    "image": "worker:1",
                    "args": ["worker"],
                    "volumeMounts": [
                        {"name": "references", "mountPath": "/etc/profile-image-sync"}
                    ],
                }
            ],
            "volumes": [{"name": "references", "projected": {"sources": []}}],
        },
    },
}


@pytest.fixture
def resource(worker: WorkerEnvironment) -> WorkerEnvironment:
    """Give a namespace with the CronJob of a resource."""
    body = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "pisync-acme", "labels": names.labels("acme", "worker")},
        "spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": TEMPLATE}},
    }
    worker.kubectl("apply", "-f", "-", text=json.dumps(body))
    return worker


def check_jobs(worker: WorkerEnvironment) -> list[dict[str, Any]]:
    """Return the Jobs of checks."""
    found = json.loads(worker.kubectl("get", "jobs", "--output=json"))["items"]
    return [job for job in found if job["metadata"]["name"].startswith("check-")]


RIGHTS = [  # those of docs/at-a-terminal.md, and of the message when one is missing
    {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["get"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "list", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
]


@pytest.fixture
def running(resource: WorkerEnvironment, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Give the command at work with no more than the documented rights, waiting for its pod."""
    role: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "rules": RIGHTS,
    }
    role["metadata"] = {"name": "checks"}
    resource.kubectl("apply", "-f", "-", text=json.dumps(role))
    resource.kubectl("create", "serviceaccount", "caretaker")
    account = f"--serviceaccount={resource.namespace}:caretaker"
    resource.kubectl("create", "rolebinding", "checks", "--role=checks", account)
    config = json.loads(resource.control_plane.kubeconfig.read_text())
    token = resource.kubectl("create", "token", "caretaker")
    config["users"][0]["user"] = {"token": token.strip()}
    kubeconfig = tmp_path / "caretaker"
    kubeconfig.write_text(json.dumps(config))
    target = ["check", "--in-cluster", f"{resource.namespace}/acme"]
    process = subprocess.Popen(
        [sys.executable, "-m", "profile_image_sync", *target],
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    yield process
    process.kill()
    process.communicate()


def test_the_job_is_the_runs_own_and_nobody_takes_it_for_a_run(
    resource: WorkerEnvironment, running: subprocess.Popen[str]
) -> None:
    """ServiceAccount, mounts and the labels of network policies; no owner, no label that we select by.

    When the command is interrupted, the Job goes as well.
    """
    wait_for("the Job of the check", lambda: check_jobs(resource))
    (job,) = check_jobs(resource)
    assert "ownerReferences" not in job["metadata"]
    assert names.SYNC_LABEL not in job["metadata"].get("labels", {})
    spec, pod = job["spec"], job["spec"]["template"]
    assert spec["backoffLimit"] == 0
    assert names.SYNC_LABEL not in pod["metadata"]["labels"]
    kept = {"team", names.MANAGED_BY_LABEL, names.COMPONENT_LABEL, "app.kubernetes.io/instance"}
    assert kept <= set(pod["metadata"]["labels"])
    assert pod["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}
    assert pod["spec"]["serviceAccountName"] == "pisync-acme"
    (container,) = pod["spec"]["containers"]
    assert container["args"] == ["check", "--output", "json"]
    assert container["volumeMounts"][0]["name"] == "references"

    running.send_signal(signal.SIGINT)
    running.communicate()

    wait_for("the Job to go", lambda: not check_jobs(resource))


def test_who_may_not_create_jobs_is_told_the_right(resource: WorkerEnvironment) -> None:
    """The worker's own ServiceAccount may not: exit code 20 and the rights, in one line."""
    resource.kubectl(
        "create", "role", "reader", "--verb=get,list", "--resource=cronjobs.batch,jobs.batch"
    )
    account = f"--serviceaccount={resource.namespace}:pisync-acme"
    resource.kubectl("create", "rolebinding", "reader", "--role=reader", account)
    target = f"{resource.namespace}/acme"
    done = command("check", "--in-cluster", target, KUBECONFIG=str(resource.kubeconfig))
    assert done.exit_code == 20
    assert 'cannot create resource "jobs" in API group "batch"' in done.errors
    assert "needs the rights to get cronjobs" in done.errors
    assert "Traceback" not in done.errors


def test_a_resource_without_a_run_is_told_as_that(worker: WorkerEnvironment) -> None:
    """There is nothing to check like."""
    kubeconfig = str(worker.control_plane.kubeconfig)
    done = command("check", "--in-cluster", f"{worker.namespace}/acme", KUBECONFIG=kubeconfig)
    assert done.exit_code == 20
    assert "NoRunYet: there is no CronJob and no Job of ProfileImageSync acme" in done.errors


def test_in_a_pod_everything_comes_from_the_run_spec_the_mounts_and_the_cluster(
    worker: WorkerEnvironment, tmp_path: Path
) -> None:
    """State and hosts are looked at with the rights of the ServiceAccount."""
    variables = worker.variables(SPEC, "job-1")
    mounts = tmp_path / "mounts"
    for name, key in (("ad-bind", "username"), ("ad-bind", "password")):
        (mounts / "secrets" / name).mkdir(parents=True, exist_ok=True)
        (mounts / "secrets" / name / key).write_text("x")
    for key in ("clientId", "clientSecret", "refreshToken"):
        (mounts / "secrets" / "highq-oauth").mkdir(exist_ok=True)
        (mounts / "secrets" / "highq-oauth" / key).write_text("x")
    done = command("check", "--mounts", mounts, "--output", "json", **variables)
    found = {each["name"]: each for each in json.loads(done.output)}
    assert done.exit_code == 20  # ldaps://dc1.ad.test is nowhere
    assert found["references"]["status"] == "OK"
    assert found["hosts"]["status"] == "OK"
    assert found["DNS"]["status"] == "failed"
    assert found["state"]["text"].endswith("is complete, with 0 people")
    assert found["token"]["text"] == "no token pair of this refreshToken is stored yet"


def test_in_a_pod_a_missing_key_is_named(worker: WorkerEnvironment, tmp_path: Path) -> None:
    """With the Secret and the namespace's remedy."""
    done = command("check", "--mounts", tmp_path, **worker.variables(SPEC, "job-1"))
    assert done.exit_code == 20
    assert "Secret ad-bind, key username: is not there" in done.output
