"""The way from the first delivery to here: its chart, its live objects, and a run that uploads nothing.

tests/data/first_delivery says how they were recorded. Its image cannot be had: its operator is not run here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from profile_image_sync.controller.installation import OperatorSettings
from testkit.control_plane import ControlPlane
from testkit.trial import Trial, running_trial
from testkit.waiting import wait_for
from tests.chart.helm import CHART, NAMESPACE, RELEASE, Helm
from tests.support import first_delivery
from tests.support.local_kubelet import LocalKubelet
from tests.support.operator import Body, OperatorEnvironment, running_operator

ESTABLISHED = 'jsonpath={.items[*].status.conditions[?(@.type=="Established")].status}'
MINUTES = 300.0  # seconds; a busy machine is slow


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """Give directory and HighQ with the people of then, and their pictures of then."""
    with running_trial(tmp_path, first_delivery.people()) as trial:
        yield trial


def hosts(trial: Trial) -> tuple[str, str]:
    """Return host:port of HighQ and of the directory."""
    return trial.highq.url.split("/")[2], trial.directory_url.split("/")[2]


def restore(tenant: OperatorEnvironment, trial: Trial) -> None:
    """Make the recorded objects, with the addresses of now."""
    place = dict(zip(("HIGHQ", "DIRECTORY"), hosts(trial), strict=True))
    place["NAMESPACE"] = tenant.namespace
    resource = first_delivery.resource(place)
    tenant.kubectl("create", "-f", "-", text=json.dumps(resource))
    status = json.dumps({"status": resource["status"]})
    tenant.kubectl("patch", "pisync", "acme", "--subresource=status", "--type=merge", "-p", status)
    made = tenant.get("profileimagesync", "acme") or {}
    children = first_delivery.children(place, made["metadata"]["uid"])
    for listed in (first_delivery.retained(place), children):
        tenant.kubectl("create", "-f", "-", text=json.dumps(listed))


def test_the_first_deliverys_installation_is_taken_over_and_uploads_nothing(
    helm: Helm, control_plane: ControlPlane, trial: Trial, tmp_path: Path
) -> None:
    """`helm upgrade` with a live state of schema 1: the same state goes on, in the present form."""
    admin = control_plane.kubeconfig
    allow = {
        "highqHosts": [hosts(trial)[0]],
        "directoryHosts": [hosts(trial)[1]],
        "proxyHosts": [],
    }
    helm.do("install", RELEASE, str(first_delivery.PACKAGE), "--create-namespace", kubeconfig=admin)
    tenant = OperatorEnvironment(control_plane)
    wait_for("the CRD", lambda: tenant.kubectl("get", "crd", "-o", ESTABLISHED) == "True", MINUTES)
    kubelet = LocalKubelet(tenant, tmp_path / "mounts")
    documents = list(yaml.safe_load_all(trial.manifest.read_text()))[1:]
    kubelet.mount(documents)
    tenant.kubectl("create", "-f", "-", text=yaml.safe_dump_all(documents))
    restore(tenant, trial)

    helm.do("upgrade", RELEASE, str(CHART), values={"allow": allow}, kubeconfig=admin)

    found = tenant.kubectl("get", "configmap", RELEASE, f"--namespace={NAMESPACE}", "-o", "json")
    settings = OperatorSettings.model_validate_json(json.loads(found)["data"]["operator.json"])
    chosen = settings.model_dump()
    with running_operator(admin, **chosen | {"namespaces": (tenant.namespace,)}):
        tenant.kubectl("annotate", "pisync", "acme", "profileimagesync.io/run-request=upgraded")

        def served() -> bool:
            kubelet.run_pods()
            run: Body = tenant.status().get("lastRun", {})
            return (run.get("request"), run.get("outcome")) == ("upgraded", "Succeeded")

        wait_for("the requested run", served, MINUTES)
    status = tenant.status()
    assert (status["lastRun"]["unchanged"], status["lastRun"]["uploaded"]) == (5, 0)
    assert status["state"]["id"] == first_delivery.STATE
    header = (tenant.get("configmap", "pisync-acme-state") or {})["data"]["header"]
    assert json.loads(header)["schemaVersion"] == 2
    assert trial.highq.uploads() == []
