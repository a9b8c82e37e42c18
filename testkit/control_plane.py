"""A Kubernetes control plane without nodes: etcd, API server and controller manager on loopback.

Real rules, real RBAC, real garbage collection, ready in seconds; but no kubelet: a pod stays
pending, and a Job is done when a test says so in the pod's status.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from testkit.certificates import CertificateAuthority

BUILD_BINARIES = Path(__file__).parents[1] / "testcluster" / "build-binaries"
START_SECONDS = 300.0
STOP_SECONDS = 10.0
LOOPBACK = "127.0.0.1"
LOG_END = 2000  # characters quoted when a start fails
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane and its administrator, who may do everything."""

    url: str
    ca_file: Path
    token: str
    kubeconfig: Path
    kubectl: Path
    audit_log: Path  # a line of JSON for each request, without bodies
    programs: Programs

    @contextmanager
    def api_server_down(self) -> Iterator[None]:
        """Stop the API server, and start it again afterwards."""
        self.programs.stop("kube-apiserver")
        yield
        self.programs.start("kube-apiserver")
        self.programs.wait_for("kube-apiserver", self, "/readyz")

    def get(self, path: str) -> bytes:
        """Return the body at `path`; raises OSError unless the answer is a yes."""
        request = urllib.request.Request(  # noqa: S310  # the address is ours
            self.url + path, headers={"Authorization": f"Bearer {self.token}"}
        )
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body


@contextmanager
def run_control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Run a control plane with its data in the new `folder`; it also ends when we are killed.

    The first call on a machine builds the programs, which takes minutes; raises RuntimeError
    with the end of a program's log if it does not start.
    """
    binaries = _binaries("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
    folder.mkdir(parents=True)
    authority = CertificateAuthority(folder / "certificates")
    certificate, key = authority.issue(LOOPBACK, "localhost")
    etcd, peer, secure = free_ports(3)
    programs = Programs(binaries, folder)
    control_plane = ControlPlane(
        url=f"https://{LOOPBACK}:{secure}",
        ca_file=authority.ca_file,
        token=secrets.token_urlsafe(),
        kubeconfig=folder / "kubeconfig",
        kubectl=binaries / "kubectl",
        audit_log=folder / "audit.log",
        programs=programs,
    )
    _write_credentials(control_plane, folder / "tokens.csv")
    (folder / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
    programs.options = {
        "etcd": _etcd_options(folder, etcd, peer),
        "kube-apiserver": _api_server_options(folder, etcd, secure, certificate, key),
        "kube-controller-manager": _controller_manager_options(control_plane, key),
    }
    with ExitStack() as stack:
        stack.callback(programs.stop_all)
        programs.start("etcd")
        programs.start("kube-apiserver")
        programs.wait_for("kube-apiserver", control_plane, "/readyz")
        programs.start("kube-controller-manager")
        programs.wait_for(
            "kube-controller-manager",
            control_plane,
            "/api/v1/namespaces/default/serviceaccounts/default",
        )
        yield control_plane


class Programs:
    """The programs of a control plane, each with its log in the folder."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        """Start nothing yet; `options` of each program are filled in before."""
        self.options: dict[str, Sequence[str]] = {}
        self._binaries = binaries
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, program: str) -> None:
        """Start it, also again."""
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        with self._log(program).open("ab") as log:
            self._processes[program] = subprocess.Popen(
                [*guard, str(self._binaries / program), *self.options[program]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self, program: str) -> None:
        """Let it end, or kill it."""
        process = self._processes[program]
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop_all(self) -> None:
        """Stop all that were started, the last one first."""
        for program in reversed(list(self._processes)):
            self.stop(program)

    def wait_for(self, program: str, control_plane: ControlPlane, path: str) -> None:
        """Wait until the API answers yes at `path`, which is `program`'s work."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._processes[program].poll() is None:
            try:
                control_plane.get(path)
            except OSError:
                time.sleep(0.1)
            else:
                return
        log = self._log(program).read_text(errors="replace")
        raise RuntimeError(f"{program} did not start: {log[-LOG_END:]}")

    def _log(self, program: str) -> Path:
        return self._folder / f"{program}.log"


def _binaries(*programs: str) -> Path:
    made = subprocess.run(
        [BUILD_BINARIES, *programs], stdout=subprocess.PIPE, text=True, check=True
    )
    return Path(made.stdout.strip())


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in sockets]


def _write_credentials(control_plane: ControlPlane, tokens: Path) -> None:
    tokens.touch(mode=0o600)
    tokens.write_text(f"{control_plane.token},administrator,administrator,system:masters\n")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "administrator"}}],
        "clusters": [
            {
                "name": "test",
                "cluster": {
                    "server": control_plane.url,
                    "certificate-authority": str(control_plane.ca_file),
                },
            }
        ],
        "users": [{"name": "administrator", "user": {"token": control_plane.token}}],
    }
    control_plane.kubeconfig.touch(mode=0o600)
    control_plane.kubeconfig.write_text(json.dumps(config))  # JSON is YAML


def _etcd_options(folder: Path, port: int, peer_port: int) -> list[str]:
    clients, peers = (f"http://{LOOPBACK}:{number}" for number in (port, peer_port))
    return [
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",  # what a test wrote need not outlive a power cut
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    ]


def _api_server_options(
    folder: Path, etcd: int, port: int, certificate: Path, key: Path
) -> list[str]:
    return [
        f"--etcd-servers=http://{LOOPBACK}:{etcd}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={certificate}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",  # an address on loopback is refused there
        f"--audit-log-path={folder / 'audit.log'}",
        f"--audit-policy-file={folder / 'audit-policy.json'}",
    ]


def _controller_manager_options(control_plane: ControlPlane, key: Path) -> list[str]:
    return [
        f"--kubeconfig={control_plane.kubeconfig}",
        f"--service-account-private-key-file={key}",
        f"--root-ca-file={control_plane.ca_file}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
