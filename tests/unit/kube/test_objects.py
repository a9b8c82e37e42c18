"""Objects of the API server, there and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from profile_image_sync.kube.objects import DataObject, LeaseObject
from profile_image_sync.kube.resources import ObjectRef

METADATA = {"name": "x", "namespace": "n", "resourceVersion": "7", "labels": {"a": "b"}}
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": METADATA}


def body(kind: str, **values: Any) -> dict[str, Any]:
    """Return what the API server answers."""
    return {"apiVersion": "v1", "kind": kind, "metadata": METADATA, **values}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("ConfigMap", {"data": {"a": "é"}, "binaryData": {"b": "AP8="}}),
        ("ConfigMap", {"data": {}, "binaryData": {}}),
        ("Secret", {"data": {"a": "AP8="}}),
        ("Secret", {"data": {}}),
    ],
)
def test_what_was_read_is_handed_back_as_it_was(kind: str, values: dict[str, Any]) -> None:
    """A replacement must not drop what others put there: labels, owners, the version."""
    assert DataObject.from_body(body(kind, **values)).body() == body(kind, **values)


def test_an_empty_object_has_no_values() -> None:
    """The API server leaves empty fields out."""
    empty = DataObject.from_body(body("ConfigMap"))
    assert (empty.text, empty.binary) == ({}, {})


def test_a_secret_is_not_shown() -> None:
    """Neither its values nor its metadata, which may quote them (kubectl's last-applied)."""
    ref = ObjectRef("Secret", "n", "x")
    shown = repr(DataObject(ref, binary={"k": b"hush"}, metadata={"annotations": "hush"}))
    assert "hush" not in shown


def test_who_wrote_which_field_is_not_sent() -> None:
    """The API server keeps that list itself; it is longer than the object."""
    secret = body("Secret") | {"metadata": METADATA | {"managedFields": [{}]}}
    assert DataObject.from_body(secret).body()["metadata"] == METADATA


def test_a_lease_is_written_with_microseconds_in_utc() -> None:
    """As MicroTime wants them, also on the full second."""
    moment = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    ref = ObjectRef("Lease", "n", "x")
    written = LeaseObject(ref, "job", 30, moment, moment, 2, METADATA).body()
    assert written == LEASE | {
        "spec": {
            "holderIdentity": "job",
            "leaseDurationSeconds": 30,
            "acquireTime": "2026-03-01T12:00:00.000000Z",
            "renewTime": "2026-03-01T12:00:00.000000Z",
            "leaseTransitions": 2,
        },
    }
    read_back = LeaseObject(ref, "job", 30, moment.astimezone(UTC), moment, 2, METADATA)
    assert LeaseObject.from_body(written) == read_back


def test_a_lease_that_nobody_has_held_is_empty() -> None:
    """As the operator makes it."""
    lease = LeaseObject.from_body(LEASE)
    assert lease == LeaseObject(ObjectRef("Lease", "n", "x"), "", 0, None, None, 0, METADATA)
    assert lease.body()["spec"]["holderIdentity"] is None
