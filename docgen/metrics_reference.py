"""The reference of metrics: every one that the operator exports, with its labels."""

from __future__ import annotations

from datetime import UTC, datetime

from profile_image_sync.controller.metrics import Metrics
from profile_image_sync.controller.resource_metrics import METRICS, PREFIX, RESULTS

_HEAD = f"""# Metrics

The operator serves `/metrics` on port 8081. The chart can create a ServiceMonitor, a PrometheusRule and a
Grafana dashboard (`metrics.*` in its values). `files/alerts.yaml` and `files/dashboard.json` in the chart
serve those who have no Prometheus Operator.

Runs end before Prometheus could scrape them, so the operator exports what status and report say of the last
run. No Pushgateway is needed. With several replicas, only the leader shows resources.

## Of each resource

Labels `namespace` and `name`, and those in the table. `result` is one of
{", ".join(f"`{each}`" for each in RESULTS)}.

| Metric | Labels | Meaning |
| --- | --- | --- |
"""


def render() -> str:
    """Return the page."""
    rows = [
        f"| `{PREFIX}_{name}` | {', '.join(f'`{label}`' for label in labels)} | {text} |"
        for name, (labels, text) in METRICS.items()
    ]
    return _HEAD + "\n".join([*rows, "", *_own()]) + "\n"


def _own() -> list[str]:
    """Return the operator's own metrics, as its registry describes them."""
    metrics = Metrics(tuple, leads=bool, queue_depth=int, now=lambda: datetime.now(UTC))
    metrics.count_request("GET", 200)
    of_resources = {f"{PREFIX}_{name}" for name in METRICS}
    lines = ["## Of the operator", "", "| Metric | Type | Meaning |", "| --- | --- | --- |"]
    for family in metrics.registry.collect():
        if family.name not in of_resources:
            suffix = "_total" if family.type == "counter" else ""
            lines.append(f"| `{family.name}{suffix}` | {family.type} | {family.documentation} |")
    return lines
