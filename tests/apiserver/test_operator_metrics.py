"""The operator's process is scraped: what Prometheus sees of a resource and of the operator's own work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from profile_image_sync.api import crd
from testkit.control_plane import LOOPBACK, ControlPlane, free_ports
from testkit.waiting import wait_for
from tests.support.bad_manifests import tenant

pytestmark = pytest.mark.apiserver

NAMESPACE = "metrics"


@pytest.fixture
def port(control_plane: ControlPlane, tmp_path: Path) -> Iterator[int]:
    """Give the port of /metrics of an operator that serves one suspended resource."""
    admin = [str(control_plane.kubectl), f"--kubeconfig={control_plane.kubeconfig}"]

    def kubectl(*arguments: str, body: str | None = None) -> None:
        subprocess.run([*admin, *arguments], input=body, text=True, check=True, capture_output=True)

    kubectl("apply", "--server-side", "-f", "-", body=crd.render())
    kubectl("wait", "--for=condition=Established", "crd", "--all")
    kubectl("create", "namespace", NAMESPACE)
    settings = tmp_path / "operator.json"
    settings.write_text(json.dumps({"workerImage": "any", "watchNamespaces": [NAMESPACE]}))
    health, metrics = free_ports(2)
    command = [sys.executable, "-m", "profile_image_sync", "operator", f"--settings={settings}"]
    command += [f"--health-port={health}", f"--metrics-port={metrics}"]
    environment = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
    with (tmp_path / "operator.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        body = json.dumps(tenant({"suspend": True}, namespace=NAMESPACE))
        kubectl("create", "-f", "-", body=body)
        yield metrics
    finally:
        process.terminate()
        process.wait(30)
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def scrape(port: int) -> dict[tuple[str, str], float]:
    """Return the values by metric and one telling label; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            told = labels.get("type") or labels.get("verb") or labels.get("result") or ""
            found[sample.name, told] = found.get((sample.name, told), 0) + sample.value
    return found


def test_an_operator_shows_its_resources_and_its_work(port: int) -> None:
    """From the first reconcile on, without a run."""
    stalled = ("profileimagesync_status_condition", "Stalled")
    shown = wait_for(
        "the resource's conditions",
        lambda: found if stalled in (found := scrape(port)) else None,
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
            if (found := scrape(port)).get(
                ("profileimagesync_reconcile_duration_seconds_count", "success")
            )
            else None
        ),
    )
    assert later["profileimagesync_api_requests_total", "POST"] > 0
    assert ("profileimagesync_queue_depth", "") in later
