"""The way from the first delivery to here: its chart, its live objects, and a run that uploads nothing.

tests/data/first_delivery says how they were recorded. Its image cannot be had: its operator is not run here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from profile_image_sync.controller.installation import OperatorSettings
from testkit.control_plane import ControlPlane
from testkit.sync_command import ordinary
from testkit.trial import Trial, running_trial
from testkit.waiting import wait_for
from tests.chart.helm import CHART, NAMESPACE, RELEASE, ROOT, Helm
from tests.support.local_kubelet import LocalKubelet
from tests.support.operator import Body, OperatorEnvironment, running_operator

DATA = ROOT / "tests/data/first_delivery"
PACKAGE = DATA / "profile-image-sync-0.1.0.tgz"
STATE = "9729c883-f6b7-4e08-b14b-60cc38d8f9f0"
ESTABLISHED = 'jsonpath={.items[*].status.conditions[?(@.type=="Established")].status}'
MINUTES = 300.0  # seconds; a busy machine is slow


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """Give directory and HighQ with the people of then, and their pictures of then."""
    pictures = json.loads((DATA / "pictures.json").read_text())
    people = [
        ordinary(name, 0, photos={"thumbnailPhoto": (base64.b64decode(picture),)})
        for name, picture in pictures.items()
    ]
    with running_trial(tmp_path, people) as trial:
        yield trial


def hosts(trial: Trial) -> tuple[str, str]:
    """Return host:port of HighQ and of the directory."""
    return trial.highq.url.split("/")[2], trial.directory_url.split("/")[2]


def restore(tenant: OperatorEnvironment, trial: Trial) -> None:
    """Make the recorded objects, with the addresses of now."""
    text = (DATA / "objects.json").read_text().replace("NAMESPACE", tenant.namespace)
    for word, address in zip(("HIGHQ", "DIRECTORY"), hosts(trial), strict=True):
        text = text.replace(word, address)
    items: list[Body] = json.loads(text)["items"]
    (resource,) = [each for each in items if each["kind"] == "ProfileImageSync"]
    tenant.kubectl("create", "-f", "-", text=json.dumps(resource))
    status = json.dumps({"status": resource["status"]})
    tenant.kubectl("patch", "pisync", "acme", "--subresource=status", "--type=merge", "-p", status)
    made = tenant.get("profileimagesync", "acme") or {}
    text = json.dumps([each for each in items if each is not resource])
    others = json.loads(text.replace("UID", made["metadata"]["uid"]))
    listed = {"apiVersion": "v1", "kind": "List", "items": others}
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
    helm.do("install", RELEASE, str(PACKAGE), "--create-namespace", kubeconfig=admin)
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
    assert status["state"]["id"] == STATE
    header = (tenant.get("configmap", "pisync-acme-state") or {})["data"]["header"]
    assert json.loads(header)["schemaVersion"] == 2
    assert trial.highq.uploads() == []
