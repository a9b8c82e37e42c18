"""Objects of the API server, there and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from profile_image_sync.pod.objects import (
    Kind,
    LeaseRecord,
    Record,
    lease_body,
    lease_of,
    record_body,
    record_of,
)

METADATA = {"name": "x", "resourceVersion": "7", "labels": {"a": "b"}}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.CONFIG_MAP, {"data": {"a": "é"}, "binaryData": {"b": "AP8="}}),
        (Kind.CONFIG_MAP, {"data": {}, "binaryData": {}}),
        (Kind.SECRET, {"data": {"a": "AP8="}}),
        (Kind.SECRET, {"data": {}}),
    ],
)
def test_what_was_read_is_handed_back_as_it_was(kind: Kind, values: dict[str, Any]) -> None:
    """A replacement must not drop what others put there: labels, owners, the version."""
    answer = {"metadata": METADATA, **values}
    assert record_body(record_of(kind, answer)) == answer


def test_an_empty_object_has_no_values() -> None:
    """The API server leaves empty fields out."""
    record = record_of(Kind.CONFIG_MAP, {"metadata": METADATA})
    assert (record.text, record.binary) == ({}, {})


def test_a_secret_is_not_shown() -> None:
    """Neither its values nor its metadata, which may quote them (kubectl's last-applied)."""
    shown = repr(Record(Kind.SECRET, "x", binary={"k": b"hush"}, metadata={"annotations": "hush"}))
    assert "hush" not in shown


def test_who_wrote_which_field_is_not_sent() -> None:
    """The API server keeps that list itself; it is longer than the object."""
    record = record_of(Kind.SECRET, {"metadata": METADATA | {"managedFields": [{}]}})
    assert record_body(record)["metadata"] == METADATA


def test_a_lease_is_written_with_microseconds_in_utc() -> None:
    """As MicroTime wants them, also on the full second."""
    moment = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    body = lease_body(LeaseRecord("x", "job", 30, moment, moment, 2, METADATA))
    assert body == {
        "metadata": METADATA,
        "spec": {
            "holderIdentity": "job",
            "leaseDurationSeconds": 30,
            "acquireTime": "2026-03-01T12:00:00.000000Z",
            "renewTime": "2026-03-01T12:00:00.000000Z",
            "leaseTransitions": 2,
        },
    }
    lease = lease_of(body)
    assert lease == LeaseRecord("x", "job", 30, moment.astimezone(UTC), moment, 2, METADATA)


def test_a_lease_that_nobody_has_held_is_empty() -> None:
    """As the operator makes it."""
    lease = lease_of({"metadata": METADATA})
    assert lease == LeaseRecord("x", "", 0, None, None, 0, METADATA)
    assert lease_body(lease)["spec"]["holderIdentity"] is None
