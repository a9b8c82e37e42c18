"""What other versions and hands stored is read as far as it can be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from profile_image_sync import names
from profile_image_sync.api.status import Outcome
from profile_image_sync.controller.stored import (
    acknowledged_spec,
    read_reference,
    read_report,
    read_status,
)
from tests.support.snapshots import observed

SECRET: dict[str, Any] = {
    "metadata": {
        "uid": "u",
        "resourceVersion": "7",
        "creationTimestamp": "2026-05-04T11:00:00Z",
        "managedFields": [
            {
                "manager": "kubectl",
                "operation": "Update",
                "time": "2026-05-04T11:30:00Z",
                "fieldsV1": {"f:data": {}},
            },
            {
                "manager": "annotator",
                "operation": "Update",
                "time": "2026-05-04T11:59:00Z",
                "fieldsV1": {"f:metadata": {}},
            },
        ],
    }
}


def secret(**changes: Any) -> dict[str, Any]:
    """Return the Secret's metadata with changes."""
    return {"metadata": SECRET["metadata"] | changes}


def test_only_its_data_is_a_version_of_a_secret() -> None:
    """An annotation changes the resourceVersion, and mends nothing."""
    before = read_reference("Secret", "a", SECRET)
    writer, annotator = SECRET["metadata"]["managedFields"]
    annotated = [writer, annotator | {"time": "2026-05-04T12:30:00Z"}]
    assert (
        read_reference("Secret", "a", secret(resourceVersion="8", managedFields=annotated))
        == before
    )
    assert before.changed == datetime(2026, 5, 4, 11, 30, tzinfo=UTC)


def test_new_data_is_another_version() -> None:
    """Whoever wrote it, and when; so is a Secret that was made anew."""
    before = read_reference("Secret", "a", SECRET)
    writer, _ = SECRET["metadata"]["managedFields"]
    later = [writer | {"time": "2026-05-04T12:30:00Z"}]
    other = [writer | {"manager": "external-secrets"}]
    versions = {
        read_reference("Secret", "a", each).version
        for each in (secret(managedFields=later), secret(managedFields=other), secret(uid="v"))
    }
    assert len(versions | {before.version}) == 4


def test_without_managers_the_resource_version_counts() -> None:
    """Rather one try too many than none."""
    bare = secret(managedFields=None)
    assert read_reference("Secret", "a", bare).version != ""
    newer = secret(managedFields=None, resourceVersion="8")
    assert (
        read_reference("Secret", "a", newer).version != read_reference("Secret", "a", bare).version
    )


def test_what_is_not_there_has_no_version() -> None:
    """Made later, it has one: that lifts the pause."""
    assert read_reference("Secret", "a", None).version == ""
    assert read_reference("Secret", "a", None).changed is None


def test_a_newer_operators_status_is_read_as_far_as_it_is_known() -> None:
    """Fields and values that are not known are passed over; the state's id is not lost with them."""
    status = {
        "state": {"id": "s", "new": 1},
        "pause": {"run": "r", "generation": 1, "references": "x"},
        "lastRun": {"id": "r", "outcome": "BetterThanEver"},
        "unheardOf": True,
    }
    read = read_status({"status": status})
    assert read.state is not None
    assert read.state.id == "s"
    assert read.pause is not None
    assert read.last_run is None


def test_the_first_versions_status_is_carried_over() -> None:
    """`hold` was what is `pause` now."""
    hold = {"run": "r", "generation": 3, "references": "0123456789abcdef"}
    run = {"id": "r", "outcome": "Failed", "job": "a-uid"}
    read = read_status({"status": {"hold": hold, "lastRun": run, "handledRunRequests": ["now"]}})
    assert read.pause is not None
    assert read.pause.generation == 3
    assert read.last_run is not None
    assert read.last_run.outcome is Outcome.FAILED
    assert read.handled_run_requests == ("now",)


def test_a_report_that_cannot_be_read_is_none() -> None:
    """The next run writes a new one."""
    assert read_report(None) is None
    assert read_report({"data": {}}) is None
    assert read_report({"data": {names.REPORT_KEY: "no JSON"}}) is None


def test_an_annotation_acknowledges_beside_the_spec() -> None:
    """For people on call whose spec belongs to Git."""
    spec = observed({"safety": {"acknowledge": "b-1"}}).tenant.spec
    assert acknowledged_spec(spec, "b-2  b-1").safety.acknowledge == "b-1 b-2"
    assert acknowledged_spec(spec, "") is spec
    longest = "x" * 124
    assert acknowledged_spec(spec, longest).safety.acknowledge == f"b-1 {longest}"
    assert acknowledged_spec(spec, f"{longest}x") is spec  # the run's spec would be refused
