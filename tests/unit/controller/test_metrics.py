"""What is exported to Prometheus: names and values, as a scrape shows them."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

import profile_image_sync
from profile_image_sync import names
from profile_image_sync.api.report import Report
from profile_image_sync.controller.metrics import Metrics
from profile_image_sync.controller.resource_metrics import (
    METRICS,
    PREFIX,
    ResourceView,
    views_of,
)
from profile_image_sync.kube.store import ObjectStore, Selection
from tests.support.snapshots import SPEC

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
RUN: dict[str, Any] = {
    "id": "r1",
    "startTime": "2026-05-04T12:00:00Z",
    "completionTime": "2026-05-04T12:02:30Z",
    "outcome": "PartialFailure",
    "people": 100,
    "uploaded": 7,
    "toUpload": 1,
    "noImage": 20,
    "failed": 2,
}
STATUS: dict[str, Any] = {
    "conditions": [
        {
            "type": kind,
            "status": state,
            "reason": reason,
            "message": "",
            "lastTransitionTime": "2026-05-04T12:02:31Z",
        }
        for kind, state, reason in (
            ("Ready", "True", "PartialFailure"),
            ("Stalled", "False", "PartialFailure"),
        )
    ],
    "lastRun": RUN,
    "lastSuccessTime": RUN["completionTime"],
    "nextRunTime": "2026-05-04T13:00:00Z",
    "highqTokenExpiry": "2027-05-04T00:00:00Z",
    "brake": {"id": "b1", "reason": "TooManyChanges", "message": "too many"},
    "state": {"id": "s1", "people": 80, "shards": 1, "bytes": 4096},
}
SAMPLES = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def view(
    status: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    report: Report | None = None,
) -> ResourceView:
    """Return a resource, an hour old, with these fields of spec and status."""
    changed = SPEC | (spec or {})
    meta = {"namespace": "tenant-acme", "name": "acme", "creationTimestamp": "2026-05-04T11:30:00Z"}
    given = {key: value for key, value in changed.items() if value is not None}
    return ResourceView.of({"metadata": meta, "spec": given, "status": status or {}}, report)


def exporter(*views: ResourceView, leads: bool = True) -> Metrics:
    """Return metrics that show these resources."""
    return Metrics(lambda: views, leads=lambda: leads, queue_depth=lambda: 3, now=lambda: NOW)


def scraped(metrics: Metrics) -> SAMPLES:
    """Return what a scrape returns: the value of each sample by name and labels."""
    return samples(generate_latest(metrics.registry).decode())


def samples(text: str) -> SAMPLES:
    """Read Prometheus' text format."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def at(metric: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the key of a sample of the resource."""
    every = {"namespace": "tenant-acme", "name": "acme"} | labels
    return f"{PREFIX}_{metric}", tuple(sorted(every.items()))


def test_the_last_run_of_a_resource_is_shown() -> None:
    """Its numbers are those of status, with times in seconds since 1970."""
    report = Report.model_validate({"run": RUN, "exitCode": 0, "reasons": {"TooSmall": 3}})
    shown = scraped(exporter(view(STATUS, report=report)))
    ended = datetime(2026, 5, 4, 12, 2, 30, tzinfo=UTC).timestamp()
    assert shown[at("last_run_timestamp_seconds")] == ended
    assert shown[at("last_success_timestamp_seconds")] == ended
    assert shown[at("last_run_duration_seconds")] == 150
    assert shown[at("last_run_outcome", outcome="PartialFailure")] == 1
    assert shown[at("last_run_people", result="uploaded")] == 7
    assert shown[at("last_run_people", result="no_image")] == 20
    assert shown[at("last_run_people", result="to_upload")] == 1
    assert shown[at("last_run_reasons", reason="TooSmall")] == 3
    assert shown[at("state_people")] == 80
    assert shown[at("state_bytes")] == 4096
    assert shown[at("brake", reason="TooManyChanges")] == 1
    condition = {"type": "Ready", "status": "True", "reason": "PartialFailure"}
    assert shown[at("status_condition", **condition)] == 1


def test_every_metric_has_a_sample_in_a_full_status() -> None:
    """None is declared that could never be seen."""
    report = Report.model_validate({"run": RUN, "exitCode": 0, "reasons": {"TooSmall": 3}})
    shown = {name for name, _ in scraped(exporter(view(STATUS, report=report)))}
    assert {f"{PREFIX}_{metric}" for metric in METRICS} <= shown


def test_a_report_of_another_run_is_not_mixed_in() -> None:
    """While a run is under way its report is newer than the last run of status."""
    report = Report.model_validate({"run": RUN | {"id": "r2"}, "exitCode": 0, "reasons": {"X": 3}})
    shown = scraped(exporter(view(STATUS, report=report)))
    assert not [name for name, _ in shown if name.endswith("last_run_reasons")]


@pytest.mark.parametrize(
    ("spec", "success", "missed"),
    [
        ({}, "2026-05-04T12:02:00Z", 0),  # @hourly: the next one is at 13:00
        ({}, "2026-05-04T11:02:00Z", 1),
        ({}, "2026-05-04T08:59:00Z", 4),
        ({}, "2026-05-01T00:00:00Z", 10),
        ({}, None, 1),  # since it was created at 11:30
        ({"suspend": True}, "2026-05-01T00:00:00Z", 0),
        ({"dryRun": True}, "2026-05-01T00:00:00Z", 0),
        ({"mode": "OneOff", "schedule": None}, "2026-05-01T00:00:00Z", 0),
        # a week of weekdays: a weekend is no gap
        ({"schedule": "0 9 * * 1-5"}, "2026-05-01T09:01:00Z", 1),
        ({"schedule": "0 9 * * 1-5", "timeZone": "America/New_York"}, "2026-05-01T13:01:00Z", 0),
    ],
)
def test_missed_runs_are_counted_by_the_schedule(
    spec: dict[str, Any], success: str | None, missed: int
) -> None:
    """Scheduled times without a success since; what is stopped on purpose misses nothing."""
    shown = scraped(exporter(view({"lastSuccessTime": success}, spec)))
    assert shown[at("missed_runs")] == missed


def test_a_time_zone_that_does_not_exist_breaks_no_scrape() -> None:
    """The condition Stalled tells of it."""
    shown = scraped(exporter(view(STATUS, {"timeZone": "Mars/Olympus"})))
    assert shown[at("missed_runs")] == 0


def test_the_resources_are_those_that_the_operator_knows_at_the_scrape() -> None:
    """With their reports; a deleted one is shown no longer, or its alerts would never end."""
    store = ObjectStore(names.SYNC_LABEL)
    meta = {
        "namespace": "tenant-acme",
        "name": "acme",
        "resourceVersion": "7",
        "creationTimestamp": "2026-05-04T11:30:00Z",
    }
    body = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": meta,
        "spec": SPEC,
        "status": STATUS,
    }
    everything = Selection(names.KIND, "")
    store.put(everything, body)
    metrics = Metrics(
        lambda: views_of(store), leads=lambda: True, queue_depth=lambda: 0, now=lambda: NOW
    )
    assert scraped(metrics)[at("state_people")] == 80
    store.remove(everything, body)
    assert at("state_people") not in scraped(metrics)


def test_a_replica_that_does_not_lead_shows_no_resources() -> None:
    """Two replicas do not report the same resource twice."""
    assert scraped(exporter(view(STATUS)))["profileimagesync_leader", ()] == 1
    shown = scraped(exporter(view(STATUS), leads=False))
    assert shown["profileimagesync_leader", ()] == 0
    assert at("state_people") not in shown


def test_the_operators_own_work_is_shown() -> None:
    """Queue, reconciles, requests to the API server, and the version."""
    metrics = exporter()
    metrics.count_request("GET", 200)
    metrics.count_request("GET", 200)
    metrics.count_request("PATCH", 409)
    with metrics.timed_reconcile():
        pass
    with pytest.raises(ZeroDivisionError), metrics.timed_reconcile():
        _ = 1 // 0
    shown = scraped(metrics)
    assert shown["profileimagesync_queue_depth", ()] == 3
    requests = "profileimagesync_api_requests_total"
    assert shown[requests, (("code", "200"), ("verb", "GET"))] == 2
    assert shown[requests, (("code", "409"), ("verb", "PATCH"))] == 1
    count = "profileimagesync_reconcile_duration_seconds_count"
    assert shown[count, (("result", "success"),)] == 1
    assert shown[count, (("result", "error"),)] == 1
    version = (("version", profile_image_sync.__version__),)
    assert shown["profileimagesync_build_info", version] == 1


def test_metrics_are_scraped_over_http() -> None:
    """At /metrics, on the port that the chart names."""
    server = exporter(view(STATUS)).serve(0)
    try:
        address = f"http://127.0.0.1:{server.server_port}/metrics"
        with urllib.request.urlopen(address, timeout=5) as answer:
            shown = samples(answer.read().decode())
    finally:
        server.shutdown()
        server.server_close()
    assert shown[at("state_people")] == 80
