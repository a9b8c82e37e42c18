"""Writes what a run says where the operator looks: the report in a ConfigMap, the people in a Secret.

Both are made by the operator beforehand and are only filled here. A run whose report cannot be written
still tells by its exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from profile_image_sync import names
from profile_image_sync.api.report import PeopleLists, Report, decode_people, decode_report
from profile_image_sync.errors import StateUnavailable
from profile_image_sync.kube.client import QUICK, ApiClient, RetryPolicy
from profile_image_sync.kube.conflicts import read, update_on_conflict
from profile_image_sync.kube.objects import DataObject
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.worker.reporter import RunOutput

MOST_BYTES = 512 * 1024  # of each; the API server takes 1 MiB
MESSAGE_CHARACTERS = 4096
NOTES = 20

log = structlog.get_logger()


class ReportWriter:
    """The two objects of one resource."""

    def __init__(self, client: ApiClient, *, namespace: str, resource: str) -> None:
        """Name the resource; nothing is called yet."""
        self._client = client
        self._report = ObjectRef("ConfigMap", namespace, names.report(resource))
        self._people = ObjectRef("Secret", namespace, names.people(resource))
        self._versions: dict[ObjectRef, DataObject] = {}  # as last read or written, without values

    def earlier(self) -> Report | None:
        """Return the report that is there, if there is one that can be read."""
        try:
            found = read(self._client, self._report)
        except StateUnavailable as error:
            log.warning("the last report is not known", problem=str(error))
            return None
        if found is None:
            return None
        self._remember(found)
        return decode_report(found.text.get(names.REPORT_KEY, ""))

    def former_lists(self) -> PeopleLists:
        """Return the lists of the last run; empty ones where they cannot be read."""
        try:
            found = read(self._client, self._people)
        except StateUnavailable as error:
            log.warning("the last lists are not known", problem=str(error))
            found = None
        if found is None:
            return decode_people("")
        self._remember(found)
        return decode_people(found.binary.get(names.PEOPLE_KEY, b""))

    def write(self, result: RunOutput) -> None:
        """Write the people first, then the report that speaks of them. Trouble goes to the log."""
        people = people_json(result.people).encode()
        self._fill(self._people, binary={names.PEOPLE_KEY: people})
        self._fill(self._report, text={names.REPORT_KEY: report_json(result.report)})

    def write_interim(self, report: Report) -> None:
        """Write how far a run is, without the people; at once or not at all."""
        self._fill(self._report, text={names.REPORT_KEY: report_json(report)}, retry=QUICK)

    def _fill(
        self,
        ref: ObjectRef,
        *,
        text: Mapping[str, str] | None = None,
        binary: Mapping[str, bytes] | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        def change(found: DataObject | None) -> DataObject:
            if found is None:
                raise StateUnavailable(
                    f"{ref.description} is not there: the operator makes it; see whether it runs"
                )
            return replace(found, text=text or {}, binary=binary or {})

        cached = self._versions.get(ref)
        try:
            self._remember(
                update_on_conflict(self._client, ref, change, cached=cached, retry=retry)
            )
        except StateUnavailable as error:
            log.error("not written", object=ref.description, problem=str(error))  # noqa: TRY400  # one line tells

    def _remember(self, stored: DataObject) -> None:
        self._versions[stored.ref] = replace(stored, text={}, binary={})


def report_json(report: Report) -> str:
    """Return the report as stored; what is too long of its words is cut off."""
    short = {
        "message": report.message[:MESSAGE_CHARACTERS],
        "notes": tuple(note[:MESSAGE_CHARACTERS] for note in report.notes[:NOTES]),
    }
    return report.model_copy(update=short).model_dump_json(by_alias=True)


def people_json(lists: PeopleLists) -> str:
    """Return the lists as stored; lists too big for a Secret lose half of each kind, and so on."""
    text = lists.model_dump_json(by_alias=True)
    while len(text.encode()) > MOST_BYTES:
        fewer = {kind: people[: len(people) // 2] for kind, people in lists.people.items()}
        lists = lists.model_copy(update={"people": fewer})
        text = lists.model_dump_json(by_alias=True)
    return text
