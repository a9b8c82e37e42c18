"""The operator as a process, with a user of its own that the audit log tells apart."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from profile_image_sync.controller.resource_metrics import PREFIX
from testkit.control_plane import ControlPlane

NAMESPACE = "operator"
USER = f"system:serviceaccount:{NAMESPACE}:operator"
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Work:
    """What a replica has done: by its own clock, whatever else the machine does."""

    cpu_seconds: float
    reconciles: int


@dataclass
class Installation:
    """What a chart installs, as far as an operator outside the cluster needs it."""

    control_plane: ControlPlane
    folder: Path
    replicas: list[subprocess.Popen[bytes]] = field(default_factory=list)
    metrics_ports: dict[int, int] = field(default_factory=dict)  # by process id

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Do something as the administrator; return what it prints."""
        program, config = self.control_plane.kubectl, self.control_plane.kubeconfig
        command = [str(program), f"--kubeconfig={config}", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return done.stdout

    def install(self, crds: Sequence[Path]) -> None:
        """Make the CRD and the operator's account, and write its settings."""
        for crd in crds:
            self.kubectl("apply", "--server-side", "-f", str(crd))
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        self.kubectl("create", "namespace", NAMESPACE)
        self.kubectl("create", "serviceaccount", "operator", f"--namespace={NAMESPACE}")
        account = f"--serviceaccount={NAMESPACE}:operator"
        self.kubectl("create", "clusterrolebinding", "op", "--clusterrole=cluster-admin", account)
        token = self.kubectl(
            "create", "token", "operator", f"--namespace={NAMESPACE}", "--duration=8h"
        )
        config = json.loads(self.control_plane.kubeconfig.read_text())
        config["users"] = [{"name": "administrator", "user": {"token": token.strip()}}]
        self._kubeconfig.touch(mode=0o600)
        self._kubeconfig.write_text(json.dumps(config))
        settings = {"workerImage": "registry.example/worker:bench", "leaderNamespace": NAMESPACE}
        self._settings.write_text(json.dumps(settings))

    def start(self) -> subprocess.Popen[bytes]:
        """Start a replica."""
        number, metrics_port = len(self.replicas), _free_port()
        command = [
            *_hostname(f"replica-{number}"),
            *(sys.executable, "-m", "profile_image_sync", "operator"),
            f"--settings={self._settings}",
            f"--health-port={_free_port()}",
            f"--metrics-port={metrics_port}",
        ]
        environment = os.environ | {"KUBECONFIG": str(self._kubeconfig)}
        with (self.folder / f"operator-{number}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.replicas.append(process)
        self.metrics_ports[process.pid] = metrics_port
        return process

    def work(self, process: subprocess.Popen[bytes]) -> Work:
        """Return what a replica has done since it was started."""
        address = f"http://127.0.0.1:{self.metrics_ports[process.pid]}/metrics"
        with urllib.request.urlopen(address, timeout=60) as answer:  # our own
            lines = answer.read().decode().splitlines()
        counted = [
            line for line in lines if line.startswith(f"{PREFIX}_reconcile_duration_seconds_count")
        ]
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # in user and in system mode
        reconciles = sum(float(line.split()[-1]) for line in counted)
        return Work(ticks / os.sysconf("SC_CLK_TCK"), int(reconciles))

    def stop(self, *, kill: bool = False) -> None:
        """Stop all replicas."""
        for process in self.replicas:
            end(process, kill=kill)

    def last_words(self) -> str:
        """Return the end of each replica's log."""
        logs = sorted(self.folder.glob("operator-*.log"))
        return "\n".join(f"{log.name}: ...{log.read_text()[-2000:]}" for log in logs)

    @property
    def _kubeconfig(self) -> Path:
        return self.folder / "operator.kubeconfig"

    @property
    def _settings(self) -> Path:
        return self.folder / "operator.json"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _hostname(name: str) -> list[str]:
    """Return what gives a program a host name of its own, as a pod has; only root may."""
    if os.geteuid():
        return []
    return ["unshare", "--uts", "sh", "-c", f'hostname {name} && exec "$@"', "sh"]


def end(process: subprocess.Popen[bytes], *, kill: bool = False) -> None:
    """End a replica: as Kubernetes does, or as a node's death does."""
    if process.poll() is None:
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peak_mib(process: subprocess.Popen[bytes]) -> float:
    """Return the most memory that a process has held."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
