"""The operator as a process: what Prometheus sees of it, what it logs, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from testkit.control_plane import LOOPBACK, ControlPlane, free_ports
from testkit.waiting import wait_for
from tests.chart.helm import CHART
from tests.support.operator import Body, OperatorEnvironment, first_job, install_crd

pytestmark = pytest.mark.apiserver

LEASE = "leader"


@dataclass(frozen=True)
class OperatorProcess:
    """`profile-image-sync operator`, as its pod runs it."""

    process: subprocess.Popen[bytes]
    health: str  # URLs
    metrics: str
    log: Path

    def lines(self) -> list[Body]:
        """Return what it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def leads(self) -> bool:
        """Tell whether it has said so."""
        return any(line["event"] == "leading" for line in self.lines())


Start = Callable[[], OperatorProcess]


@pytest.fixture
def tenant(control_plane: ControlPlane) -> Iterator[OperatorEnvironment]:
    """Give a namespace, which goes with its resources."""
    install_crd(control_plane)
    tenant = OperatorEnvironment(control_plane)
    yield tenant
    tenant.kubectl("delete", "namespace", tenant.namespace, "--wait=false")


@pytest.fixture
def start(tenant: OperatorEnvironment, tmp_path: Path) -> Iterator[Start]:
    """Start an operator that serves the namespace and holds its leader's Lease there."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_process(tenant, tmp_path))


@contextmanager
def _process(tenant: OperatorEnvironment, folder: Path) -> Iterator[OperatorProcess]:
    settings = folder / "operator.json"
    where = {"leaderNamespace": tenant.namespace, "leaderLease": LEASE}
    content = {"workerImage": "any", "watchNamespaces": [tenant.namespace]} | where
    settings.write_text(json.dumps(content))
    health, metrics = free_ports(2)
    command = [sys.executable, "-m", "profile_image_sync", "operator", f"--settings={settings}"]
    command += [f"--health-port={health}", f"--metrics-port={metrics}"]
    environment = os.environ | {"KUBECONFIG": str(tenant.control_plane.kubeconfig)}
    path = folder / f"operator-{health}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    urls = (f"http://{LOOPBACK}:{health}/healthz", f"http://{LOOPBACK}:{metrics}/metrics")
    try:
        yield OperatorProcess(process, *urls, path)
    finally:
        process.terminate()
        process.wait(30)


def asked(url: str) -> str:
    """Return the answer; empty while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # ours
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


def scrape(url: str) -> dict[tuple[str, str], float]:
    """Return the values by metric and one telling label; empty while nobody answers."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(asked(url)):
        for sample in family.samples:
            labels = sample.labels
            told = labels.get("type") or labels.get("verb") or labels.get("result") or ""
            found[sample.name, told] = found.get((sample.name, told), 0) + sample.value
    return found


def test_an_operator_shows_its_resources_and_its_work(
    tenant: OperatorEnvironment, start: Start
) -> None:
    """From the first reconcile on, without a run."""
    tenant.apply({"suspend": True})
    url = start().metrics
    stalled = ("profileimagesync_status_condition", "Stalled")
    shown = wait_for(
        "the resource's conditions",
        lambda: found if stalled in (found := scrape(url)) else None,
    )
    assert shown["profileimagesync_suspended", ""] == 1
    assert shown["profileimagesync_missed_runs", ""] == 0
    for condition in ("Ready", "Stalled", "Reconciling", "Synced"):
        assert shown["profileimagesync_status_condition", condition] == 1
    assert shown["profileimagesync_leader", ""] == 1
    assert shown["profileimagesync_build_info", ""] == 1
    later = wait_for(
        "a finished reconcile",
        lambda: (
            found
            if (found := scrape(url)).get(
                ("profileimagesync_reconcile_duration_seconds_count", "success")
            )
            else None
        ),
    )
    assert later["profileimagesync_api_requests_total", "POST"] > 0
    assert ("profileimagesync_queue_depth", "") in later


def test_an_operator_that_is_told_to_end_hands_over_within_its_grace(
    tenant: OperatorEnvironment, start: Start
) -> None:
    """SIGTERM: not ready any more, the Lease is free for the next one, exit 0; a pod has 30 s for it."""
    operator = start()
    wait_for("a leader", operator.leads)
    wait_for("ready", lambda: asked(operator.health))
    assert holder(tenant)

    operator.process.send_signal(signal.SIGTERM)

    assert operator.process.wait(_grace_seconds()) == 0
    assert asked(operator.health) == ""
    assert not holder(tenant)
    assert operator.lines()[-1]["event"] == "not leading any more"


def holder(tenant: OperatorEnvironment) -> str:
    """Return who holds the leader's Lease."""
    lease = tenant.get("lease", LEASE) or {}
    found: str = lease.get("spec", {}).get("holderIdentity", "")
    return found


def test_each_line_of_the_log_is_json_and_names_the_resource_and_the_run(
    tenant: OperatorEnvironment, start: Start
) -> None:
    """From the start to the end of the process; libraries' lines too."""
    operator = start()
    tenant.apply()
    job = first_job(tenant)
    wait_for("told", lambda: [line for line in operator.lines() if line["event"] == "RunStarted"])
    operator.process.terminate()
    operator.process.wait(_grace_seconds())

    lines = operator.lines()
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    about = [line for line in lines if line["event"] not in {"leading", "not leading any more"}]
    assert {line["resource"] for line in about} == {f"{tenant.namespace}/acme"}
    (started,) = [line for line in lines if line["event"] == "RunStarted"]
    assert started["run"] == job.removeprefix("pisync-acme-")


def _grace_seconds() -> int:
    text = (CHART / "templates/deployment.yaml").read_text()
    (line,) = [each for each in text.splitlines() if "terminationGracePeriodSeconds" in each]
    seconds: int = yaml.safe_load(line)["terminationGracePeriodSeconds"]
    return seconds
