"""Backup and restore by the commands of docs/backup.md: everything else of a namespace is deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from profile_image_sync.api.allow import Allow
from testkit.control_plane import ControlPlane
from testkit.sync_command import merged, ordinary
from testkit.trial import Trial, running_trial
from testkit.waiting import wait_for
from tests.chart.helm import ROOT, Helm
from tests.docs.commands import blocks, run
from tests.support.local_kubelet import LocalKubelet
from tests.support.operator import OperatorEnvironment, install_crd, running_operator

SAVE, STATE_ID, RESTORE = (block.commands for block in blocks(ROOT / "docs/backup.md"))
MINUTES = 300.0  # seconds; a busy machine is slow


def hosts(trial: Trial) -> Allow:
    """Allow the trial's servers, which are on loopback."""
    highq, directory = (url.split("/")[2] for url in (trial.highq.url, trial.directory_url))
    return Allow(highq_hosts=(highq,), directory_hosts=(directory,), proxy_hosts=())


def next_run(tenant: OperatorEnvironment, kubelet: LocalKubelet, before: str) -> dict[str, Any]:
    """Run what the operator starts, until status tells of another run than `before`."""

    def told() -> dict[str, Any] | None:
        kubelet.run_pods()
        found: dict[str, Any] = tenant.status().get("lastRun", {})
        return found if found and found["id"] != before else None

    return wait_for("a run", told, MINUTES)


def test_a_namespace_comes_back_from_its_backup_and_uploads_nothing(
    control_plane: ControlPlane, helm: Helm, tmp_path: Path
) -> None:
    """What is left: the two files of the backup, the seed Secrets, and the manifest with `state.id`."""
    install_crd(control_plane)
    tenant = OperatorEnvironment(control_plane)
    kubelet = LocalKubelet(tenant, tmp_path / "mounts")

    def page(commands: str) -> str:
        return run(commands.replace("tenant-acme", tenant.namespace), tmp_path, control_plane, helm)

    people = [ordinary(f"Person Back{n}", n) for n in range(3)]
    with (
        running_trial(tmp_path, people) as trial,
        running_operator(
            control_plane.kubeconfig, namespaces=(tenant.namespace,), allow=hosts(trial)
        ),
    ):
        resource, *seeds = yaml.safe_load_all(trial.manifest.read_text())
        kubelet.mount(seeds)
        tenant.kubectl("apply", "-f", "-", text=yaml.safe_dump_all([*seeds, resource]))
        first = next_run(tenant, kubelet, before="")
        assert first["uploaded"] == 3

        page(SAVE)
        state = page(STATE_ID)
        pinned = resource | {"spec": merged(resource["spec"], {"state": {"id": state}})}
        (tmp_path / "tenant.yaml").write_text(yaml.safe_dump(pinned))
        (tmp_path / "secrets.yaml").write_text(yaml.safe_dump_all(seeds))
        tenant.kubectl("delete", "namespace", tenant.namespace, "--timeout=240s")
        trial.highq.reset_audit()

        page(RESTORE)
        again = next_run(tenant, kubelet, before=first["id"])

        assert (again["outcome"], again["uploaded"], again["unchanged"]) == ("Succeeded", 0, 3)
        assert tenant.status()["state"]["id"] == state
        assert tenant.condition("Ready")[0] == "True"
        assert trial.highq.audit(operation="avatar") == []
        header = (tenant.get("configmap", "pisync-acme-state") or {})["data"]["header"]
        assert json.loads(header)["id"] == state
