"""A real cluster as an administrator has it: kubectl, helm, and the scripts that make it.

Knows nothing of the product but where its scripts are.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

ROOT = Path(__file__).parents[1]
TESTCLUSTER = ROOT / "testcluster"
POLL_SECONDS = 0.5

Document = dict[str, Any]  # a Kubernetes object
T = TypeVar("T")


class CommandFailed(Exception):
    """A command said no; the message holds its words."""


@dataclass(frozen=True)
class Cluster:
    """One cluster of testcluster/, by name."""

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
        """Bring an image of the engine into the node, unless it is there; return its id."""
        run([TESTCLUSTER / "cluster", "load", image, self.name])
        (node,) = self.select("nodes")
        (found,) = {
            value
            for key, value in node["metadata"]["annotations"].items()
            if key == "testcluster/" + image.replace("/", "-").replace(":", "-")
        }
        return str(found)

    def address(self, node_port: int) -> str:
        """Return host:port by which this machine reaches a NodePort."""
        return run([TESTCLUSTER / "cluster", "address", str(node_port), self.name]).split()[0]

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Return what kubectl prints. Raises CommandFailed."""
        return run(["kubectl", *arguments], text=text, environment=self.environment)

    def helm(self, *arguments: str) -> str:
        """Return what helm prints. Raises CommandFailed."""
        return run(["helm", *arguments], environment=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """What kubectl and helm need to find this cluster, and to be found."""
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
        """Make these objects, or bring them into line; `namespace`: of those that name none."""
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
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return a command's output; what scripts say of their progress goes to our standard error."""
    words = [str(word) for word in command]
    script = words[0].startswith(str(ROOT))
    done = subprocess.run(
        words,
        input=text,
        stdout=subprocess.PIPE,
        stderr=None if script else subprocess.PIPE,
        text=True,
        env=os.environ | (environment or {}),
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"{' '.join(words)}: {done.stderr or done.stdout or done.returncode}")
    return done.stdout


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 120) -> T:
    """Return what `look` finds, as soon as it finds something. Raises AssertionError after a time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    return found
