"""Metrics of one resource: its conditions and its last run, as gauges. Pure.

Workers end before Prometheus could scrape them. What they did is in status and report, so it is exported
from there: right after a restart too, and without a Pushgateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from prometheus_client.core import GaugeMetricFamily, Metric

from profile_image_sync import names
from profile_image_sync.api import schedule
from profile_image_sync.api.report import Report
from profile_image_sync.api.status import ProfileImageSyncStatus
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.stored import read_report, read_status
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.kube.store import ObjectStore

PREFIX = "profileimagesync"
MOST_MISSED = 10  # the count of missed runs ends here: each costs a walk through the calendar
RESULTS = (
    "people", "uploaded", "to_upload", "adopted", "unchanged", "no_image", "refused", "unmatched",
    "ambiguous", "failed",
)  # fmt: skip
_RESOURCE = ["namespace", "name"]


@dataclass(frozen=True, slots=True)
class ResourceView:
    """One resource, as far as metrics show it."""

    namespace: str
    name: str
    created: datetime
    schedule: str  # "" where no run is scheduled
    time_zone: str
    suspended: bool
    status: ProfileImageSyncStatus
    report: Report | None

    @classmethod
    def of(cls, body: Body, report: Report | None) -> Self:
        """Read a resource of the API server, whose schema has filled in defaults."""
        meta, spec = body["metadata"], body["spec"]
        scheduled = not spec.get("suspend") and not spec.get("dryRun")
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            created=datetime.fromisoformat(meta["creationTimestamp"]),
            schedule=spec.get("schedule", "") if scheduled else "",
            time_zone=spec.get("timeZone", "Etc/UTC"),
            suspended=spec.get("suspend", False),
            status=read_status(body),
            report=report,
        )


def views_of(store: ObjectStore) -> Iterator[ResourceView]:
    """Yield every resource that the operator knows; that asks the API server nothing."""
    for ref in store.refs(names.KIND):
        report = store.get(ObjectRef("ConfigMap", ref.namespace, names.report(ref.name)))
        if body := store.get(ref):
            yield ResourceView.of(body, read_report(report))


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric."""

    metric: str
    value: float
    labels: tuple[str, ...] = ()


# Metrics by name, without the prefix: further labels, and the help text.
METRICS: dict[str, tuple[tuple[str, ...], str]] = {
    "status_condition": (
        ("type", "status", "reason"),
        "1 for the current status and reason of each condition.",
    ),
    "suspended": ((), "1 while spec.suspend stops the schedule, else 0."),
    "last_success_timestamp_seconds": (
        (),
        "When a run last ended with Succeeded or PartialFailure.",
    ),
    "last_run_timestamp_seconds": ((), "When the last run ended."),
    "last_run_duration_seconds": ((), "Duration of the last run."),
    "last_run_outcome": (("outcome",), "1 for the outcome of the last run."),
    "last_run_people": (("result",), "Number of people by result of the last run."),
    "last_run_reasons": (("reason",), "Number of people by reason, in the report of the last run."),
    "next_run_timestamp_seconds": ((), "When the next scheduled run starts."),
    "missed_runs": (
        (),
        f"Scheduled times since the last success, at most {MOST_MISSED}; 0 while suspended.",
    ),
    "highq_token_expiry_timestamp_seconds": (
        (),
        "When HighQ's refresh token expires unless a run renews it.",
    ),
    "brake": (("reason",), "1 while a brake stops the uploads."),
    "state_people": ((), "Number of people with a record."),
    "state_bytes": ((), "Size of the state in bytes."),
}


def families(views: Iterable[ResourceView], now: datetime) -> list[Metric]:
    """Return every metric of METRICS, with the samples of all resources."""
    made = {
        name: GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=[*_RESOURCE, *labels])
        for name, (labels, text) in METRICS.items()
    }
    for view in views:
        for sample in samples(view, now):
            labels = [view.namespace, view.name, *sample.labels]
            made[sample.metric].add_metric(labels, sample.value)
    return list(made.values())


def samples(view: ResourceView, now: datetime) -> Iterator[Sample]:
    """Yield what is known of one resource."""
    status = view.status
    for condition in status.conditions:
        labels = (condition.type.value, condition.status.value, condition.reason)
        yield Sample("status_condition", 1, labels)
    yield Sample("suspended", view.suspended)
    yield Sample("missed_runs", _missed_runs(view, now))
    yield from _times(status)
    yield from _last_run(view)
    if status.brake:
        yield Sample("brake", 1, (status.brake.reason,))
    if status.state:
        yield Sample("state_people", status.state.people)
        yield Sample("state_bytes", status.state.bytes)


def _times(status: ProfileImageSyncStatus) -> Iterator[Sample]:
    known = {
        "last_success_timestamp_seconds": status.last_success_time,
        "next_run_timestamp_seconds": status.next_run_time,
        "highq_token_expiry_timestamp_seconds": status.highq_token_expiry,
    }
    for metric, moment in known.items():
        if moment:
            yield Sample(metric, moment.timestamp())


def _last_run(view: ResourceView) -> Iterator[Sample]:
    run, report = view.status.last_run, view.report
    if run is None:
        return
    if run.completion_time:
        yield Sample("last_run_timestamp_seconds", run.completion_time.timestamp())
        if run.start_time:
            seconds = (run.completion_time - run.start_time).total_seconds()
            yield Sample("last_run_duration_seconds", seconds)
    if run.outcome:
        yield Sample("last_run_outcome", 1, (run.outcome.value,))
    for result in RESULTS:
        yield Sample("last_run_people", getattr(run, result), (result,))
    if report and report.run.id == run.id:
        for reason, people in sorted(report.reasons.items()):
            yield Sample("last_run_reasons", people, (reason,))


def _missed_runs(view: ResourceView, now: datetime) -> int:
    """Count the scheduled times that a success should have followed, but did not."""
    identity = f"{view.namespace}/{view.name}"
    moment = view.status.last_success_time or view.created
    for missed in range(MOST_MISSED if view.schedule else 0):
        try:
            moment = schedule.next_run(view.schedule, view.time_zone, moment, identity)
        except (ValueError, KeyError):  # only we can tell, and the condition Stalled does
            return 0
        if moment > now:
            return missed
    return MOST_MISSED if view.schedule else 0
