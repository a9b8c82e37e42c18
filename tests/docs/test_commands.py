"""The commands in the documentation, executed as they are written, page by page, in a real API server.

A block that is marked `sh` is executed. One that needs pods or people says `no-test` and why.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.control_plane import ControlPlane
from testkit.waiting import wait_for
from tests.chart.helm import ROOT, Helm

pytestmark = pytest.mark.apiserver

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```sh(?P<mark>[^\n]*)\n(?P<commands>.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    page.relative_to(DOCS) for page in DOCS.rglob("*.md") if BLOCK.search(page.read_text())
)
# what earlier pages of the documentation have made
PREPARED = """
helm upgrade --install profile-image-sync charts/profile-image-sync -n profile-image-sync --create-namespace
kubectl wait --for=condition=Established crd/profileimagesyncs.profileimagesync.io
kubectl create namespace tenant-acme
kubectl create namespace argocd
kubectl create configmap argocd-cm --namespace argocd
kubectl apply --namespace tenant-acme -f examples/01-one-tenant/secrets.example.yaml
kubectl apply --namespace tenant-acme -f examples/01-one-tenant/tenant.yaml
"""
UNDONE = """
kubectl delete namespace tenant-acme argocd --ignore-not-found --wait
helm uninstall profile-image-sync --namespace profile-image-sync --ignore-not-found
kubectl delete validatingadmissionpolicy,validatingadmissionpolicybinding --all
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder that looks like a clone, as far as commands name files."""
    for name in ("charts", "examples", "packaging"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def run(script: str, folder: Path, control_plane: ControlPlane, helm: Helm) -> None:
    """Run a script of bash, which must succeed."""
    programs = [control_plane.kubectl.parent, helm.program.parent, Path(sys.executable).parent]
    environment = os.environ | {
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "KUBECONFIG": str(control_plane.kubeconfig),
        "HOME": str(folder),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_commands_of_a_page_work(
    page: Path, folder: Path, control_plane: ControlPlane, helm: Helm
) -> None:
    """In their order, in a namespace that has what the pages before have made."""
    blocks = list(BLOCK.finditer((DOCS / page).read_text()))
    script = "\n".join(each["commands"] for each in blocks if "no-test" not in each["mark"])
    wait_for("the API server", lambda: bool(control_plane.get("/readyz")))
    try:
        if page.name != "getting-started.md":
            run(PREPARED, folder, control_plane, helm)
        run(script, folder, control_plane, helm)
    finally:
        run(UNDONE, folder, control_plane, helm)


def test_every_block_of_commands_is_executed_or_says_why_not() -> None:
    """Other fences show output or files."""
    marks = [
        (page.name, block["mark"].strip())
        for page in DOCS.rglob("*.md")
        for block in BLOCK.finditer(page.read_text())
    ]
    assert len(marks) >= 20
    assert [mark for mark in marks if mark[1] and not mark[1].startswith("no-test: ")] == []
