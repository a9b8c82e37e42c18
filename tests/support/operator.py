"""The operator's own threads against a real API server, and the resources that it serves."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from profile_image_sync import names
from profile_image_sync.api import crd, termination_message
from profile_image_sync.api.report import Report
from profile_image_sync.api.status import Outcome, Run
from profile_image_sync.controller.handlers import Operator
from profile_image_sync.controller.installation import OperatorSettings
from profile_image_sync.kube.client import ONCE, ApiClient
from testkit.control_plane import ControlPlane
from testkit.waiting import wait_for
from tests.support.snapshots import SPEC

Body = dict[str, Any]


@pytest.fixture
def tenant(control_plane: ControlPlane) -> OperatorEnvironment:
    """Give a namespace of a control plane with the CRD."""
    return OperatorEnvironment(control_plane)


@pytest.fixture
def served(tenant: OperatorEnvironment) -> Iterator[OperatorEnvironment]:
    """Give a namespace that an operator serves."""
    with running_operator(tenant.control_plane.kubeconfig, namespaces=(tenant.namespace,)):
        yield tenant


class OperatorEnvironment:
    """A namespace of its own, and kubectl in it."""

    def __init__(self, control_plane: ControlPlane) -> None:
        """Make the namespace; the CRD is there."""
        self.control_plane = control_plane
        self.namespace = f"tenant-{uuid.uuid4().hex[:8]}"
        self.kubectl("create", "namespace", self.namespace)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Do something as the administrator."""
        command = [self.control_plane.kubectl, f"--kubeconfig={self.control_plane.kubeconfig}"]
        scope = [] if "namespace" in arguments else [f"--namespace={self.namespace}"]
        done = subprocess.run(
            [*map(str, command), *scope, *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(
        self,
        spec: Body | None = None,
        name: str = "acme",
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Apply a resource."""
        wanted = {key: value for key, value in (SPEC | (spec or {})).items() if value is not None}
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "annotations": {**(annotations or {})},
            },
            "spec": wanted,
        }
        self.kubectl("apply", "--filename=-", text=json.dumps(body))

    def get(self, kind: str, name: str) -> Body | None:
        """Return an object; None: there is none."""
        text = self.kubectl("get", kind, name, "--output=json", "--ignore-not-found")
        found: Body | None = json.loads(text) if text else None
        return found

    def items(self, kind: str) -> list[Body]:
        """Return all objects of a kind."""
        found: list[Body] = json.loads(self.kubectl("get", kind, "--output=json"))["items"]
        return found

    def status(self, name: str = "acme") -> Body:
        """Return the status of a resource."""
        found = self.get("profileimagesync", name)
        status: Body = (found or {}).get("status", {})
        return status

    def condition(self, kind: str, name: str = "acme") -> tuple[str, str]:
        """Return status and reason of a condition."""
        conditions: list[Body] = self.status(name).get("conditions", [])
        condition = next((each for each in conditions if each["type"] == kind), {})
        return condition.get("status", ""), condition.get("reason", "")

    def pod(self, job: str) -> Body | None:
        """Return the pod that the cluster has made for a Job."""
        pods = [pod for pod in self.items("pods") if pod["metadata"]["name"].startswith(f"{job}-")]
        return pods[-1] if pods else None

    def end_pod(self, pod: Body, report: Report | None, **container: Any) -> None:
        """Play the kubelet: the pod ended with this report, or with its container in this state."""
        state = container
        if report:
            code = 0 if report.exit_code == 10 else report.exit_code
            message = termination_message.encode(report)
            state = {"terminated": {"exitCode": code, "message": message, "reason": "Completed"}}
        ended = state.get("terminated")
        phase = "Pending" if not ended else "Failed" if ended["exitCode"] else "Succeeded"
        status = {
            "phase": phase,
            "containerStatuses": [
                {
                    "name": "worker",
                    "state": state,
                    "ready": False,
                    "restartCount": 0,
                    "image": "x",
                    "imageID": "",
                }
            ],
        }
        patch = json.dumps({"status": status})
        name = pod["metadata"]["name"]
        self.kubectl("patch", "pod", name, "--subresource=status", "--patch", patch)


def ended(job: str, outcome: Outcome = Outcome.SUCCEEDED, code: int = 0, **facts: Any) -> Report:
    """Return how a run ended just now."""
    now = datetime.now(UTC)
    run = Run(
        id=job.removeprefix("pisync-acme-"),
        job=job,
        outcome=outcome,
        start_time=now,
        completion_time=now,
        generation=1,
        people=3,
        uploaded=3,
    )
    return Report(run=run, exit_code=code, **facts)


def first_job(tenant: OperatorEnvironment) -> str:
    """Wait for the first Job, and return its name."""
    jobs = wait_for("a Job", lambda: tenant.items("jobs"))
    name: str = jobs[0]["metadata"]["name"]
    return name


def finish(tenant: OperatorEnvironment, job: str, report: Report) -> None:
    """End the Job's pod with this report."""
    pod = wait_for("a pod", lambda: tenant.pod(job))
    tenant.end_pod(pod, report)
    told = ("True", "Succeeded") if report.exit_code == 0 else None
    if told and report.run.outcome is Outcome.SUCCEEDED:
        wait_for("the run is told", lambda: tenant.condition("Synced") == told)


def install_crd(control_plane: ControlPlane) -> None:
    """Make the CRD, and wait until it is served."""
    command = [str(control_plane.kubectl), f"--kubeconfig={control_plane.kubeconfig}"]
    text = json.dumps(crd.definition())
    subprocess.run([*command, "apply", "--filename=-"], input=text, text=True, check=True)
    served = [*command, "get", names.PLURAL, "--all-namespaces"]  # `kubectl wait` wants conditions
    wait_for(
        "the CRD", lambda: not subprocess.run(served, capture_output=True, check=False).returncode
    )


@contextmanager
def running_operator(
    kubeconfig: Path, *, namespaces: tuple[str, ...] = (), **settings: Any
) -> Iterator[Operator]:
    """Run the operator's threads with the rights of this kubeconfig."""
    environment = {"KUBECONFIG": str(kubeconfig)}
    with ApiClient.connect(environment, field_manager=names.PRODUCT, retry=ONCE) as client:
        settings["watch_namespaces"] = namespaces
        chosen = {"worker_image": "registry.example/sync:1"}
        operator = Operator(client, OperatorSettings(**chosen | settings))
        operator.start()
        try:
            yield operator
        finally:
            operator.stop()
