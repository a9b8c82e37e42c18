"""Commands in Markdown, executed as they stand there, in a folder that looks like a clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testkit.control_plane import ControlPlane
from tests.chart.helm import ROOT, Helm

_BLOCK = re.compile(
    r"^```sh(?P<mark>[^\n]*)\n(?P<commands>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```)?",
    re.MULTILINE | re.DOTALL,
)
# What the first pages of the documentation have made. `kubectl wait` would fail on a CRD without conditions.
PREPARED = """
helm upgrade --install profile-image-sync charts/profile-image-sync -n profile-image-sync --create-namespace
timeout 180 bash -c 'until kubectl get profileimagesyncs; do sleep 0.5; done' > served.txt 2>&1
kubectl create namespace tenant-acme
kubectl create namespace argocd
kubectl create configmap argocd-cm --namespace argocd
kubectl apply --namespace tenant-acme -f examples/01-one-tenant/secrets.example.yaml
kubectl apply --namespace tenant-acme -f examples/01-one-tenant/tenant.yaml
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A fence of commands, and the output that is shown right below it, if any."""

    mark: str
    commands: str
    output: str

    @property
    def executed(self) -> bool:
        """Whether a test executes it."""
        return not self.mark

    @property
    def reason(self) -> str:
        """Why it is not executed."""
        return self.mark.partition("no-test: ")[2]

    def matches(self, printed: str) -> bool:
        """Compare what was printed with what is shown; … stands for anything, blanks for any number."""
        parts = [r"\s+".join(map(re.escape, part.split())) for part in self.output.split("…")]
        return re.fullmatch(rf"\s*{'.*'.join(parts)}\s*", printed, re.DOTALL) is not None


def blocks(page: Path) -> list[Block]:
    """Return the commands of a page."""
    found = _BLOCK.finditer(page.read_text())
    return [Block(each["mark"].strip(), each["commands"], each["output"] or "") for each in found]


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what commands name into a folder, in which tools may leave what they like."""
    for name in ("charts", "examples", "packaging"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def run(script: str, folder: Path, control_plane: ControlPlane, helm: Helm) -> str:
    """Run a script of bash, which must succeed; return what it prints."""
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
    return done.stdout
