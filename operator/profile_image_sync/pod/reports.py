"""Leaves what a run says where the operator looks: the report in a ConfigMap, the people in a Secret.

Both are made by the operator beforehand and are only filled here. A run whose report cannot be kept
still tells by its exit code.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from profile_image_sync import names
from profile_image_sync.api.report import PeopleLists, Report
from profile_image_sync.errors import StateUnavailable
from profile_image_sync.pod.client import Cluster, ConflictError
from profile_image_sync.pod.objects import Kind, Record
from profile_image_sync.worker.run import RunOutput

MOST_BYTES = 512 * 1024  # of each; the API server takes 1 MiB
MESSAGE_CHARACTERS = 4096
NOTES = 20
TRIES = 5  # of one write, while others touch the object's metadata

log = structlog.get_logger()


class ReportWriter:
    """The two objects of one resource."""

    def __init__(self, cluster: Cluster, resource: str) -> None:
        """Name the resource; nothing is called yet."""
        self._cluster = cluster
        self._resource = resource

    def leave(self, result: RunOutput) -> None:
        """Leave the people first, then the report that speaks of them. Trouble goes to the log."""
        people = {names.PEOPLE_KEY: people_json(result.people).encode()}
        self._fill(Record(Kind.SECRET, names.people(self._resource), binary=people))
        report = {names.REPORT_KEY: report_json(result.report)}
        self._fill(Record(Kind.CONFIG_MAP, names.report(self._resource), text=report))

    def _fill(self, wanted: Record) -> None:
        place = self._cluster.place(wanted.kind, wanted.name)
        try:
            for _ in range(TRIES):
                there = self._cluster.read(wanted.kind, wanted.name)
                if there is None:
                    log.error("not there: the operator makes it; see whether it runs", place=place)
                    return
                try:
                    self._cluster.replace(replace(wanted, metadata=there.metadata))
                except ConflictError:
                    continue
                return
            log.error("not written: others write it again and again; see who does", place=place)
        except StateUnavailable as error:
            log.error("not written", place=place, problem=str(error))  # noqa: TRY400  # one line tells


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
