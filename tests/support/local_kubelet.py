"""Plays the kubelet for the runs of one namespace: a pod's container becomes a process of this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from profile_image_sync.api import termination_message
from testkit.sync_command import COMMAND
from tests.support.operator import Body, OperatorEnvironment

_LABEL = re.compile(r"metadata\.labels\['(.+)'\]")


@dataclass(frozen=True)
class LocalKubelet:
    """Runs workers with all rights; what they mount is laid out in a folder."""

    tenant: OperatorEnvironment
    mounts: Path

    def mount(self, documents: list[Body]) -> None:
        """Lay out Secrets and ConfigMaps."""
        folders = {"Secret": "secrets", "ConfigMap": "configmaps"}
        for document in (each for each in documents if each["kind"] in folders):
            folder = self.mounts / folders[document["kind"]] / document["metadata"]["name"]
            folder.mkdir(parents=True)
            for key, text in (document.get("stringData") or document["data"]).items():
                (folder / key).write_text(text)

    def run_pods(self) -> None:
        """Run every pod that has not run yet, to its end."""
        for pod in self.tenant.items("pods"):
            if pod["status"]["phase"] == "Pending" and "containerStatuses" not in pod["status"]:
                self._run(pod)

    def _run(self, pod: Body) -> None:
        (container,) = pod["spec"]["containers"]
        variables = dict(_variables(container["env"], pod["metadata"]["labels"]))
        variables |= {"KUBECONFIG": str(self.tenant.control_plane.kubeconfig)}
        left = self.mounts / pod["metadata"]["name"]
        left.touch()
        options = ["--mounts", str(self.mounts), "--termination-message", str(left)]
        done = subprocess.run(
            [*COMMAND, *container["args"], *options],
            env=variables | {"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        report = termination_message.decode(left.read_text())
        assert report, done.stderr
        self.tenant.end_pod(pod, report)


def _variables(env: list[Body], labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variables of a container, those from the pod's labels too."""
    found = []
    for each in env:
        if "value" in each:
            found.append((each["name"], each["value"]))
        elif label := _LABEL.fullmatch(each["valueFrom"]["fieldRef"]["fieldPath"]):
            found.append((each["name"], labels[label[1]]))
    return found
