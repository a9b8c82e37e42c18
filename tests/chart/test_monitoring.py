"""Alerts and dashboard: judged by promtool, and by a real Prometheus that scrapes the operator's metrics."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from profile_image_sync.api.report import Report
from profile_image_sync.controller.metrics import Metrics
from profile_image_sync.controller.resource_metrics import ResourceView
from testkit.prometheus import Prometheus, run_prometheus
from testkit.waiting import wait_for
from tests.chart.helm import CHART, RELEASE, ROOT, Helm
from tests.support.snapshots import SPEC

pytestmark = pytest.mark.apiserver

ALERTS = CHART / "files/alerts.yaml"
ALERT_TESTS = ROOT / "tests/chart/alerts_test.yaml"
DASHBOARD = json.loads((CHART / "files/dashboard.json").read_text())
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
QUERIES = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
MONITORED = {
    "metrics": {
        "serviceMonitor": {"create": True, "labels": {"release": "stack"}},
        "prometheusRule": {"create": True, "runbookURL": "https://docs.example/runbooks/"},
        "dashboard": {"create": True},
    }
}


def promtool(*arguments: str) -> None:
    """Run promtool, which must find nothing."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def full_view(now: datetime) -> ResourceView:
    """Return a resource of which everything is known, and which a brake has stopped."""
    ended = (now - timedelta(minutes=10)).isoformat()
    run = {
        "id": "r1",
        "startTime": (now - timedelta(minutes=12)).isoformat(),
        "completionTime": ended,
        "outcome": "Failed",
        "people": 100,
        "uploaded": 7,
    }
    stalled = {
        "type": "Stalled",
        "status": "True",
        "reason": "BrakeTripped",
        "message": "",
        "lastTransitionTime": ended,
    }
    status = {
        "conditions": [stalled],
        "lastRun": run,
        "lastSuccessTime": ended,
        "nextRunTime": (now + timedelta(minutes=30)).isoformat(),
        "highqTokenExpiry": (now + timedelta(days=100)).isoformat(),
        "brake": {"id": "b1", "reason": "TooManyChanges", "message": ""},
        "state": {"id": "s1", "people": 80, "shards": 1, "bytes": 4096},
    }
    created = (now - timedelta(days=1)).isoformat()
    meta = {"namespace": "tenant-acme", "name": "acme", "creationTimestamp": created}
    report = Report.model_validate({"run": run, "exitCode": 20, "reasons": {"TooSmall": 3}})
    return ResourceView.of({"metadata": meta, "spec": SPEC, "status": status}, report)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Give a Prometheus that has scraped an operator with one resource twice."""
    views = [full_view(datetime.now(UTC))]
    metrics = Metrics(
        lambda: views,
        leads=lambda: True,
        queue_depth=lambda: 1,
        now=lambda: datetime.now(UTC),
    )
    metrics.count_request("GET", 200)
    with metrics.timed_reconcile():
        pass
    server = metrics.serve(0)
    folder = tmp_path_factory.mktemp("prometheus")
    try:
        with run_prometheus(folder, exporter_port=server.server_port, rules=ALERTS) as running:
            twice = 'count_over_time(up{job="profile-image-sync"}[1m]) > 2'
            wait_for("two scrapes", lambda: running.query(twice))
            yield running
    finally:
        server.shutdown()
        server.server_close()


def test_the_alerts_are_rules_that_prometheus_takes() -> None:
    """Syntax, duplicate rules, templates."""
    promtool("check", "rules", str(ALERTS))


def test_every_alert_fires_when_it_should_and_not_before() -> None:
    """Each alert has a series that makes it fire, and one that does not."""
    promtool("test", "rules", str(ALERT_TESTS))
    checks = [
        check
        for test in yaml.safe_load(ALERT_TESTS.read_text())["tests"]
        for check in test["alert_rule_test"]
    ]
    names = {rule["alert"] for rule in RULES}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == names
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == names


def test_an_alert_fires_in_a_real_prometheus(prometheus: Prometheus) -> None:
    """From the operator's own exporter, with the resource's name and namespace."""
    labels = wait_for("the alert", lambda: prometheus.firing().get("ProfileImageSyncBrakePulled"))
    assert labels["namespace"] == "tenant-acme"
    assert labels["name"] == "acme"
    assert labels["reason"] == "TooManyChanges"
    assert "ProfileImageSyncOperatorDown" not in prometheus.firing()


@pytest.mark.parametrize(("title", "expression"), QUERIES, ids=[title for title, _ in QUERIES])
def test_every_panel_of_the_dashboard_has_data(
    prometheus: Prometheus, title: str, expression: str
) -> None:
    """Grafana's variables are set as for All."""
    del title
    for variable, value in (("$__rate_interval", "1m"), ("$namespace", ".*"), ("$name", ".*")):
        expression = expression.replace(variable, value)
    assert prometheus.query(expression)


def test_alerts_and_dashboard_name_only_metrics_that_exist(prometheus: Prometheus) -> None:
    """A metric that nobody exports would never alert."""
    text = ALERTS.read_text() + json.dumps(DASHBOARD)
    named = set(re.findall(r"\bprofileimagesync_[a-z_]+", text))
    assert len(named) > 10
    missing = [metric for metric in named if not prometheus.query(metric)]
    assert missing == []


def test_a_prometheus_rule_has_the_same_alerts_each_with_its_runbook(helm: Helm) -> None:
    """The address of the runbooks is the installation's."""
    rule = helm.render(MONITORED).one("PrometheusRule")
    (group,) = rule["spec"]["groups"]
    for made, given in zip(group["rules"], RULES, strict=True):
        runbook = made["annotations"].pop("runbook_url")
        assert runbook == f"https://docs.example/runbooks/#{given['alert'].lower()}"
        assert made == given


def test_a_service_monitor_finds_the_operators_service(helm: Helm) -> None:
    """By labels and by the port's name; the resource's namespace is kept."""
    rendered = helm.render(MONITORED)
    monitor, service = rendered.one("ServiceMonitor"), rendered.one("Service")
    chosen = monitor["spec"]["selector"]["matchLabels"]
    assert chosen.items() <= service["metadata"]["labels"].items()
    assert monitor["metadata"]["labels"]["release"] == "stack"
    (endpoint,) = monitor["spec"]["endpoints"]
    (port,) = service["spec"]["ports"]
    assert endpoint["port"] == port["name"]
    assert endpoint["honorLabels"] is True
    assert service["spec"]["selector"].items() <= rendered.pod()["metadata"]["labels"].items()
    ports = {each["name"]: each["containerPort"] for each in rendered.container()["ports"]}
    assert ports[port["targetPort"]] == port["port"]


def test_the_dashboard_is_a_config_map_that_grafana_finds(helm: Helm) -> None:
    """By the label of its sidecar."""
    (found,) = [
        each
        for each in helm.render(MONITORED).all("ConfigMap")
        if each["metadata"]["name"] == f"{RELEASE}-dashboard"
    ]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["profile-image-sync.json"]) == DASHBOARD


def test_nothing_of_the_prometheus_operator_is_made_unasked(helm: Helm) -> None:
    """Its CustomResourceDefinitions may not be there."""
    rendered = helm.render()
    assert not rendered.all("ServiceMonitor") + rendered.all("PrometheusRule")


def _ports(rules: list[dict[str, Any]]) -> set[int | str]:
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_network_policies_leave_open_what_is_needed(helm: Helm) -> None:
    """The operator reaches the API server, runs also Active Directory and HighQ; runs are not reached."""
    values = {"networkPolicy": {"create": True}, "watch": {"namespaces": ["tenant-acme"]}}
    operator, runs = helm.render(values).all("NetworkPolicy")
    assert _ports(operator["spec"]["ingress"]) == {"health", "metrics"}
    assert _ports(operator["spec"]["egress"]) == {53, 443, 6443}
    assert runs["metadata"]["namespace"] == "tenant-acme"
    assert "ingress" not in runs["spec"]
    assert "Ingress" in runs["spec"]["policyTypes"]
    assert {53, 389, 443, 636, 6443} <= _ports(runs["spec"]["egress"])
