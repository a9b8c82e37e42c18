"""A real cluster with nodes, made by kind: for what needs pods.

Hides the scripts of testcluster/ that make it. Knows nothing of the product. For what needs
an API server only, `control_plane` starts in seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
TESTCLUSTER = ROOT / "testcluster"

Document = dict[str, Any]  # a Kubernetes object


class CommandFailed(Exception):
    """A command failed; the message holds what it printed."""


@dataclass(frozen=True)
class KindCluster:
    """A running kind cluster, by name."""

    name: str
    kubeconfig: Path
    programs: Path  # where kubectl and helm are

    @classmethod
    def up(cls, name: str) -> Self:
        """Make the cluster unless it is there. From nothing, and without a registry: minutes."""
        kubeconfig = run([TESTCLUSTER / "cluster", "up", name]).strip()
        programs = run([TESTCLUSTER / "build-binaries", "kubectl", "helm"]).strip()
        return cls(name, Path(kubeconfig), Path(programs))

    def down(self) -> None:
        """Remove the cluster; images and programs stay in the cache."""
        run([TESTCLUSTER / "cluster", "down", self.name])

    def load(self, image: str) -> str:
        """Load an image into the node, unless it is there; return its id."""
        run([TESTCLUSTER / "cluster", "load", image, self.name])
        (node,) = self.select("nodes")
        (found,) = {
            value
            for key, value in node["metadata"]["annotations"].items()
            if key == "testcluster/" + image.replace("/", "-").replace(":", "-")
        }
        return str(found)

    def audit_log(self) -> str:
        """Return what the operator and the runs have asked for; empty if the cluster writes no such log."""
        try:
            return run([TESTCLUSTER / "cluster", "audit-log", self.name])
        except CommandFailed:
            return ""

    def address(self, node_port: int) -> str:
        """Return host:port by which this machine reaches a NodePort."""
        return run([TESTCLUSTER / "cluster", "address", str(node_port), self.name]).split()[0]

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Return what kubectl prints. Raises CommandFailed."""
        return run(["kubectl", *arguments], text=text, variables=self.variables)

    def helm(self, *arguments: str) -> str:
        """Return what helm prints. Raises CommandFailed."""
        return run(["helm", *arguments], variables=self.variables)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables for kubectl and helm: this cluster, and caches of our own."""
        path = os.pathsep.join((str(self.programs), os.environ["PATH"]))
        cache = self.programs.parent
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": path,
            "KUBECACHEDIR": str(cache / "kubectl"),
            "HELM_CACHE_HOME": str(cache / "helm"),
            "HELM_CONFIG_HOME": str(cache / "helm"),
            "HELM_DATA_HOME": str(cache / "helm"),
        }

    def apply(self, documents: Iterable[Document], namespace: str = "") -> None:
        """Create or change objects; `namespace` is for those that name none."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        where = ("--namespace", namespace) if namespace else ()
        self.kubectl("apply", *where, "--filename", "-", text=json.dumps(listed))

    def get(self, kind: str, name: str, namespace: str = "default") -> Document | None:
        """Return an object, or None."""
        arguments = ("--namespace", namespace, "--output", "json", "--ignore-not-found")
        answer = self.kubectl("get", kind, name, *arguments)
        found: Document | None = json.loads(answer) if answer else None
        return found

    def select(self, kind: str, namespace: str = "default", labels: str = "") -> list[Document]:
        """Return the objects with these labels."""
        arguments = ("--namespace", namespace, "--output", "json", "--selector", labels)
        items: list[Document] = json.loads(self.kubectl("get", kind, *arguments))["items"]
        return items

    def delete_namespaces(self, labels: str) -> None:
        """Delete the namespaces with these labels, and wait until they are gone."""
        self.kubectl("delete", "namespaces", "--selector", labels, "--timeout", "120s")


def run(
    command: Iterable[str | Path],
    *,
    text: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Return a command's standard output; progress of our own scripts goes to standard error."""
    arguments = [str(word) for word in command]
    is_script = arguments[0].startswith(str(ROOT))
    done = subprocess.run(
        arguments,
        input=text,
        stdout=subprocess.PIPE,
        stderr=None if is_script else subprocess.PIPE,
        text=True,
        env=os.environ | (variables or {}),
        check=False,
    )
    if done.returncode:
        raise CommandFailed(
            f"{' '.join(arguments)}: {done.stderr or done.stdout or done.returncode}"
        )
    return done.stdout
