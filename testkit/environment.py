"""What end-to-end tests and the demo run in: a kind cluster with a directory, a HighQ and the operator.

Hides how it comes about: what an earlier session left is used again, what has changed is built anew.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from testkit.certificates import CertificateAuthority
from testkit.kind_cluster import ROOT, TESTCLUSTER, Document, KindCluster, run
from testkit.samba.administrator import Administrator
from testkit.simulator.process import Simulator
from testkit.waiting import wait_for

SERVICES = Path(__file__).with_name("services.yaml")
CHART = ROOT / "charts" / "profile-image-sync"
OPERATOR = "profile-image-sync"  # release and namespace
TENANT_LABEL = "pis-demo=tenant"  # of the tenants' namespaces

DIRECTORY_URL = "ldaps://dc1.directory.svc"
HIGHQ_HOST = "highq.highq-sim.svc"
DIRECTORY_PORT, HIGHQ_PORT = 30636, 30443  # NodePorts, as services.yaml says

Log = Callable[[str], None]


@dataclass(frozen=True)
class Environment:
    """A cluster with all services running, ready for tenants."""

    cluster: KindCluster
    simulator: Simulator
    administrator: Administrator
    directory_ca: str  # PEM
    highq_ca: str  # PEM
    reader: tuple[str, str]  # user name and password of the account that reads the directory

    def clear(self) -> None:
        """Remove what earlier scenarios and tests left: their namespaces and their people."""
        self.cluster.delete_namespaces(TENANT_LABEL)
        self.administrator.delete_all_organizational_units()

    def kill_operator(self) -> None:
        """Delete the operator's pod at once, as the loss of a node does."""
        pods = ("--namespace", OPERATOR, "--selector", f"app.kubernetes.io/name={OPERATOR}")
        self.cluster.kubectl("delete", "pods", *pods, "--grace-period=0", "--force")

    def scale_operator(self, replicas: int) -> None:
        """Stop the operator (0), or start it (1), and wait until it is so."""
        deployment = ("--namespace", OPERATOR, f"deployment/{OPERATOR}")
        self.cluster.kubectl("scale", *deployment, f"--replicas={replicas}")
        if replicas:
            self.cluster.kubectl("rollout", "status", *deployment, "--timeout=120s")
        else:
            wait_for("no operator", lambda: not self.cluster.select("pods", OPERATOR), 180)


@contextmanager
def running_environment(name: str, log: Log) -> Iterator[Environment]:
    """Start everything on the cluster of this name; `log` gets a line for each part, with its time."""
    with timed("cluster", log):
        cluster = KindCluster.up(name)
    with timed("images", log):
        product = _last_line(run([ROOT / "scripts" / "build-image"]))
        services = _last_line(run([TESTCLUSTER / "build-services-image"]))
        product_id, services_id = cluster.load(product), cluster.load(services)
    with timed("directory and HighQ", log):
        _issue_highq_certificate(cluster, _folder(cluster))
        _start_services(cluster, services_id)
    with timed("operator, by its chart", log):
        _install(cluster, product, product_id)
    with connected_environment(cluster) as environment:
        yield environment


@contextmanager
def connected_environment(cluster: KindCluster) -> Iterator[Environment]:
    """Connect to what runs, and change nothing: a test may have stopped the operator."""
    facts = wait_for("the domain controller", lambda: _announced(cluster), 60)
    directory_ca, highq_ca = (_folder(cluster) / f"{of}-ca.crt" for of in ("directory", "highq"))
    dc = ("--namespace=directory", "deploy/dc1", "--")
    directory_ca.write_text(cluster.kubectl("exec", *dc, "cat", facts["caFile"]))
    host, _, port = cluster.address(DIRECTORY_PORT).partition(":")
    administrator = Administrator(host, directory_ca, port=int(port))
    simulator = Simulator.attach(f"https://{cluster.address(HIGHQ_PORT)}", highq_ca)
    bundles = (directory_ca.read_text(), highq_ca.read_text())
    try:
        yield Environment(
            cluster, simulator, administrator, *bundles, (facts["username"], facts["password"])
        )
    finally:
        administrator.close()
        simulator.stop()


def _folder(cluster: KindCluster) -> Path:
    """Return where the authorities' files are."""
    folder = cluster.kubeconfig.parent / f"demo-{cluster.name}"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def timed(what: str, log: Log) -> Iterator[None]:
    """Log how long something took."""
    started = time.monotonic()
    yield
    log(f"{what}: {time.monotonic() - started:.0f} s")


def _issue_highq_certificate(cluster: KindCluster, folder: Path) -> None:
    """Give the simulator a certificate of a test authority, once; leave the authority's own in `folder`."""
    where, ca_file = "highq-sim", folder / "highq-ca.crt"
    if cluster.get("namespace", where) is None:
        cluster.kubectl("create", "namespace", where)
    known = cluster.get("secret", "highq-tls", where)
    if known and "ca.crt" in known["data"]:
        ca_file.write_bytes(b64decode(known["data"]["ca.crt"]))
        return
    authority = CertificateAuthority(folder / "authority")
    certificate, key = authority.issue(HIGHQ_HOST, "localhost", "127.0.0.1")
    files = {"tls.crt": certificate, "tls.key": key, "ca.crt": authority.ca_file}
    secret: Document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "highq-tls"},
        "type": "kubernetes.io/tls",
        "stringData": {name: file.read_text() for name, file in files.items()},
    }
    cluster.apply([secret], where)
    ca_file.write_text(authority.ca_file.read_text())


def _start_services(cluster: KindCluster, image_id: str) -> None:
    """Start the domain controller and the simulator as pods."""
    documents: list[Document] = list(yaml.safe_load_all(SERVICES.read_text()))
    for document in documents:
        if (
            document["kind"] == "Deployment"
        ):  # a new build makes new pods, and so an empty directory
            document["spec"]["template"]["metadata"]["annotations"] = {"image": image_id}
    cluster.apply(documents)
    for where, what in (("directory", "dc1"), ("highq-sim", "highq")):
        cluster.kubectl(
            "rollout", "status", f"--namespace={where}", f"deploy/{what}", "--timeout=180s"
        )


def _announced(cluster: KindCluster) -> dict[str, str] | None:
    """Return what the domain controller prints once it is ready."""
    lines = cluster.kubectl("logs", "--namespace=directory", "deploy/dc1").splitlines()
    found: list[dict[str, str]] = [json.loads(line) for line in lines if line.startswith("{")]
    return found[-1] if found else None


def _install(cluster: KindCluster, image: str, image_id: str) -> None:
    repository, _, tag = image.rpartition(":")
    values = f"image.repository={repository},image.tag={tag},allow.highqHosts={{{HIGHQ_HOST}}}"
    cluster.helm(
        "upgrade", "--install", OPERATOR, str(CHART), f"--namespace={OPERATOR}", "--create-namespace",
        "--set", values,
        "--set", "resyncSeconds=20",  # a mended Secret is noticed within as long
        "--set-string", f"podAnnotations.image={image_id}",  # a new build rolls the pod
        "--wait", "--timeout=180s",
    )  # fmt: skip


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
