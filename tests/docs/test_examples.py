"""The examples: manifests held against a real API server, commands executed, output compared."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from testkit.control_plane import ControlPlane
from testkit.kind_cluster import ROOT
from testkit.people import sample_people
from testkit.sync_command import merged
from testkit.trial import running_trial
from testkit.waiting import wait_for
from tests.chart.helm import Helm
from tests.docs.commands import PREPARED, blocks, copy_of_the_tree, run

EXAMPLES = sorted(page.parent.name for page in (ROOT / "examples").glob("*/README.md"))
FOREIGN = sorted((ROOT / "tests/data/foreign_crds").glob("*.json.gz"))
NAMESPACES = ("flux-system",)
SYNC = "profile-image-sync sync"
STRICTLY = "kubectl apply --server-side --force-conflicts --validate=strict --dry-run=server -f -"
FORGOTTEN = "kubectl delete profileimagesyncs --all --all-namespaces --wait=false\n"
FOREIGN_CRDS = """
kubectl apply --server-side -f foreign
"""
ESTABLISHED = (
    "kubectl get crd -o jsonpath='{.items[*].status.conditions[?(@.type==\"Established\")].status}'"
)


@pytest.fixture(scope="module")
def cluster(
    control_plane: ControlPlane, helm: Helm, tmp_path_factory: pytest.TempPathFactory
) -> ControlPlane:
    """Give a control plane with the chart, one tenant's Secrets, and the foreign CRDs."""
    folder = copy_of_the_tree(tmp_path_factory.mktemp("clone"))
    (folder / "foreign").mkdir()
    for file in FOREIGN:
        (folder / "foreign" / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    made = "".join(f"kubectl create namespace {name}\n" for name in NAMESPACES)
    run(PREPARED + FORGOTTEN + made + FOREIGN_CRDS, folder, control_plane, helm)
    served = ["True"] * (len(FOREIGN) + 1)
    wait_for(
        "the CRDs", lambda: run(ESTABLISHED, folder, control_plane, helm).split() == served, 300
    )
    return control_plane


def manifests(example: str) -> list[dict[str, Any]]:
    """Return the objects in an example's files, those of Kustomize and values of the chart left out."""
    files = (ROOT / "examples" / example).rglob("*.yaml")
    documents = [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
    return [each for each in documents if each.get("kind", "Kustomization") != "Kustomization"
            or "fluxcd" in each["apiVersion"]]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_api_server_takes_the_manifests_strictly(
    example: str, cluster: ControlPlane, helm: Helm, tmp_path: Path
) -> None:
    """No unknown field and no wrong value, in ours, Argo CD's, Flux's and External Secrets'."""
    documents = manifests(example)
    for document in documents:
        document["metadata"].setdefault("namespace", "tenant-acme")
    file = tmp_path / "manifests.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    printed = run(f"{STRICTLY} < {file}", tmp_path, cluster, helm)
    assert printed.count("dry run") == len(documents)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_commands_print_what_the_page_shows(
    example: str, cluster: ControlPlane, helm: Helm, clone: Path
) -> None:
    """Block by block, in the example's own folder."""
    folder = clone / "examples" / example
    try:
        for block in blocks(folder / "README.md"):
            assert block.executed or block.reason, block
            if block.executed:
                printed = run(block.commands, folder, cluster, helm)
                assert not block.output or block.matches(printed), f"{block.commands}\n{printed}"
    finally:
        run(FORGOTTEN, clone, cluster, helm)


def test_every_example_is_listed() -> None:
    """In the page that people open first."""
    listed = (ROOT / "examples/README.md").read_text()
    assert len(EXAMPLES) >= 11
    assert [name for name in EXAMPLES if f"[{name}]({name}/README.md)" not in listed] == []


def test_the_first_example_prints_what_its_page_shows(tmp_path: Path, clone: Path) -> None:
    """`sync` on the example's own manifest, with the addresses of a trial and 41 sample people."""
    folder = clone / "examples/01-one-tenant"
    shown = next(b for b in blocks(folder / "README.md") if b.commands.startswith(SYNC))
    spec = yaml.safe_load((folder / "tenant.yaml").read_text())["spec"]
    with running_trial(tmp_path, sample_people()) as trial:
        documents = list(yaml.safe_load_all(trial.manifest.read_text()))
        there = documents[0]["spec"]
        addresses = {part: there[part] for part in ("activeDirectory", "highq")}
        spec["activeDirectory"].pop("searchBases")
        documents[0]["spec"] = merged(spec, addresses)
        (tmp_path / "acme.yaml").write_text(yaml.safe_dump_all(documents))
        command = [sys.executable, "-m", "profile_image_sync", *shown.commands.split()[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert trial.highq.uploads() == [], "the example has dryRun"
    assert shown.matches(done.stdout), done.stdout
