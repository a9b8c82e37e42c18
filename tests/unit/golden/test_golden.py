"""Documents that operator and worker leave each other, as every version wrote them; a folder a delivery.

A released folder is never edited: tenants have such objects, and upgrades and rollbacks meet them. A change
that a reader must not pass over raises the document's schema and adds a folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from profile_image_sync.api.model import ApiModel
from profile_image_sync.api.report import PeopleLists, decode_report
from profile_image_sync.api.run_spec import decode_run_spec
from profile_image_sync.api.spec import FirstSync
from profile_image_sync.api.state_header import decode_header, encode_header
from profile_image_sync.api.status import Outcome
from profile_image_sync.controller.stored import read_status
from profile_image_sync.errors import InvalidSpec, StateMismatch

FOLDER = Path(__file__).parent
DELIVERIES = sorted(path.name for path in FOLDER.iterdir() if path.name.isdecimal())
STATE = UUID("3f0c2f0e-8a53-4c55-9d4b-52a4c0ffee01")


def read_report(text: str) -> ApiModel:
    """Read a report that can be read."""
    report = decode_report(text)
    assert report
    return report


READERS: dict[str, Callable[[str], ApiModel]] = {
    "run-spec": decode_run_spec,
    "report": read_report,
    "people": PeopleLists.model_validate_json,
    "state-header": lambda text: decode_header(text.encode(), "here"),
}


def golden(delivery: str, document: str) -> str:
    """Return a document as a delivery wrote it."""
    return (FOLDER / delivery / f"{document}.json").read_text()


def contained(part: Any, whole: Any) -> bool:
    """Tell whether a document says all that another one says."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contained(value, whole[key]) for key, value in part.items()
        )
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(contained, part, whole))
    return bool(part == whole)


@pytest.mark.parametrize("document", READERS)
def test_what_the_present_version_wrote_is_read_without_a_loss(document: str) -> None:
    """No field is renamed, removed or read otherwise while its schema is the same."""
    written = json.loads(golden(DELIVERIES[-1], document))
    read_back = READERS[document](json.dumps(written)).model_dump(mode="json", by_alias=True)
    assert contained(written, read_back), read_back


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_every_deliverys_run_spec_is_read(delivery: str) -> None:
    """A worker of this version under an operator that was rolled back."""
    run_spec = decode_run_spec(golden(delivery, "run-spec"))
    assert (run_spec.namespace, run_spec.name, run_spec.generation) == ("tenant-acme", "acme", 3)
    assert (run_spec.requests, run_spec.state_id) == (("2026-11-02",), STATE)
    assert run_spec.spec.first_sync is FirstSync.ADOPT
    assert run_spec.spec.active_directory.image_attributes == ("jpegPhoto", "thumbnailPhoto")


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_every_deliverys_report_is_read(delivery: str) -> None:
    """An operator of this version finds the report of a worker that ran before the upgrade."""
    report = decode_report(golden(delivery, "report"))
    assert report
    assert (report.run.outcome, report.run.people, report.run.failed) == (
        Outcome.PARTIAL_FAILURE,
        120,
        1,
    )
    assert report.first_sync_completed
    assert report.state
    assert report.state.id == str(STATE)


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_every_deliverys_header_is_read(delivery: str) -> None:
    """State is carried over: whose it is, what was handled, how far the first sync is, the last sweep."""
    header = decode_header(golden(delivery, "state-header").encode(), "here")
    assert (header.id, header.highq, header.shards) == (STATE, "acme.highq.com/acme", 2)
    assert header.handled_requests == ("2026-10-01", "2026-11-02")
    assert header.first_sync_completed
    assert header.sweeps[-1].images == {"jpegPhoto": 60, "thumbnailPhoto": 51}


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_every_deliverys_status_is_read(delivery: str) -> None:
    """An upgrade forgets no pause (retries lock accounts), no state, no run and no request."""
    status = read_status({"status": json.loads(golden(delivery, "status"))})
    assert status.state
    assert status.state.id == str(STATE)
    assert status.pause
    assert (status.pause.run, status.pause.generation) == ("run-2", 3)
    assert status.last_run
    assert (status.last_run.outcome, status.last_handled_run_request) == (
        Outcome.FAILED,
        "2026-11-02",
    )
    assert status.first_sync_completed


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("run-spec", ""),
        ("run-spec", "allow"),
        ("run-spec", "spec"),
        ("run-spec", "spec.highq"),
        ("run-spec", "spec.safety"),
        ("report", ""),
        ("report", "run"),
        ("report", "state"),
        ("state-header", ""),
        ("state-header", "brake"),
        ("state-header", "firstSync"),
    ],
)
def test_a_field_of_a_newer_version_is_passed_over(document: str, path: str) -> None:
    """The other side was upgraded first; what must not be passed over raises the schema."""
    written = json.loads(golden(DELIVERIES[-1], document))
    part = written
    for key in filter(None, path.split(".")):
        part = part[key]
    part["fromTheFuture"] = {"a": 1}
    READERS[document](json.dumps(written))


@pytest.mark.parametrize("path", ["", "brake", "firstSync"])
def test_an_older_worker_loses_nothing_of_a_newer_header(path: str) -> None:
    """It writes back what it does not know."""
    written = json.loads(golden(DELIVERIES[-1], "state-header"))
    (written[path] if path else written)["fromTheFuture"] = {"a": 1}
    header = decode_header(json.dumps(written).encode(), "here")
    stored = json.loads(encode_header(header.having_handled("next")))
    assert (stored[path] if path else stored)["fromTheFuture"] == {"a": 1}


def newer(document: str) -> str:
    """Return a document of a schema that is yet to come."""
    return json.dumps(json.loads(golden(DELIVERIES[-1], document)) | {"schemaVersion": 99})


def test_a_newer_schema_says_what_to_upgrade() -> None:
    """Nothing is guessed: the run does not start, and the message tells which side is behind."""
    with pytest.raises(
        InvalidSpec, match=r"schema 99, this worker reads up to \d+: upgrade the worker"
    ):
        decode_run_spec(newer("run-spec"))
    with pytest.raises(StateMismatch, match=r"schema 99.*a newer one"):
        decode_header(newer("state-header").encode(), "here")
    assert decode_report(newer("report")) is None
