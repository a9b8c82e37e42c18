"""A plan as rows: for people as a table, for programs as JSON, for spreadsheets as CSV."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from profile_image_sync.cli import csv_text
from profile_image_sync.local.plan import UNCHANGED, Plan, PlannedPerson


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One person of a plan."""

    person: str
    action: str
    reason: str
    picture: str  # "JPEG 96x96"
    size: int | None  # bytes of the picture
    shared_by: int | None  # number of people with the very same picture, if more than one
    name: str
    department: str
    manager: str
    detail: str
    highq_user: int | None  # id of the HighQ user that is theirs
    rule: str  # what led to it
    guid: str


def rows(plan: Plan) -> list[PlanRow]:
    """Return a row per person."""
    return [_row(person) for person in plan.people]


def table_cells(row: PlanRow) -> list[str]:
    """Return what fits on a terminal."""
    size = f"{row.size / 1024:.0f} KiB" if row.size else ""
    return [row.person, row.action, row.reason, row.picture, size, row.detail]


TABLE_HEADER = ["PERSON", "ACTION", "REASON", "PICTURE", "SIZE", "WHAT TO DO"]


def with_something_to_say(plan: Plan) -> list[PlanRow]:
    """Return the rows of the table: everyone but those for whom nothing changes."""
    return [row for row in rows(plan) if row.action != UNCHANGED]


def as_json(plan: Plan) -> str:
    """Return the whole plan: the numbers, the notes and everyone."""
    report = plan.output.report
    return json.dumps(
        {
            "run": json.loads(report.run.model_dump_json(by_alias=True, exclude_none=True)),
            "reason": report.reason,
            "message": report.message,
            "notes": list(report.notes),
            "people": [_camel(row) for row in rows(plan)],
        },
        indent=2,
    )


def as_csv(plan: Plan) -> str:
    """Return everyone as CSV with a header. A cell that looks like a formula is made text."""
    return csv_text.as_csv(list(_camel(_EMPTY)), map(_camel, rows(plan)))


_EMPTY = PlanRow("", "", "", "", None, None, "", "", "", "", None, "", "")


def _row(person: PlannedPerson) -> PlanRow:
    picture, details = person.picture, person.details
    facts = picture.facts if picture else None
    return PlanRow(
        person=person.person.label,
        action=person.action,
        reason=person.reason,
        picture=f"{facts.format} {facts.width}x{facts.height}" if facts else "",
        size=picture.size if picture else None,
        shared_by=person.shared_by if person.shared_by > 1 else None,
        name=details.name if details else "",
        department=details.department if details else "",
        manager=details.manager if details else "",
        detail=person.detail,
        highq_user=person.account.id if person.account else None,
        rule=person.rule,
        guid=str(person.person.guid),
    )


def _camel(row: PlanRow) -> dict[str, Any]:
    names = {"shared_by": "sharedBy", "highq_user": "highqUser"}
    return {names.get(name, name): getattr(row, name) for name in row.__slots__}
