"""Backup and restore, by the commands of docs/backup.md themselves."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from testkit.cluster_tenant import ClusterTenant
from testkit.kind_cluster import ROOT
from testkit.sync_command import merged, ordinary

PAGE = (ROOT / "docs/backup.md").read_text()
SAVE, STATE_ID, RESTORE = re.findall(r"^```sh[^\n]*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SEEDS = ("secret/ad-bind", "secret/highq-oauth", "configmap/corp-ca", "configmap/highq-ca")


def do(commands: str, tenant: ClusterTenant, folder: Path) -> str:
    """Execute commands of the page as they stand there, but for the names of namespace and resource."""
    named = commands.replace("tenant-acme", tenant.namespace).replace("acme", tenant.name)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", named],
        cwd=folder, env=os.environ | tenant.environment.cluster.variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{named}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_a_namespace_comes_back_from_its_backup_and_uploads_nothing(
    tenant: ClusterTenant, tmp_path: Path
) -> None:
    """Everything is deleted but two files of the backup and what Git and the vault have."""
    cluster, where = tenant.environment.cluster, f"--namespace={tenant.namespace}"
    tenant.add_people([ordinary(f"Person Back{n}", n) for n in range(3)])
    tenant.apply(dryRun=False)
    first = tenant.next_run({})
    assert first["uploaded"] == 3

    do(SAVE, tenant, tmp_path)
    state = do(STATE_ID, tenant, tmp_path)
    (tmp_path / "secrets.yaml").write_text(cluster.kubectl("get", *SEEDS, where, "-o", "yaml"))
    resource = {
        "apiVersion": "profileimagesync.io/v1alpha1",
        "kind": "ProfileImageSync",
        "metadata": {"name": tenant.name},
        "spec": merged(tenant.spec, {"state": {"id": state}}),
    }
    (tmp_path / "tenant.yaml").write_text(json.dumps(resource))  # JSON is YAML
    cluster.kubectl("delete", "namespace", tenant.namespace, "--timeout=240s")
    tenant.highq.reset_audit()

    do(RESTORE, tenant, tmp_path)
    run = tenant.next_run(first)

    assert (run["outcome"], run["uploaded"], run["unchanged"]) == ("Succeeded", 0, 3)
    assert tenant.status()["state"]["id"] == state
    assert tenant.condition("Ready")["status"] == "True"
    assert tenant.avatar_calls() == []
