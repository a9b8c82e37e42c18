"""A plan as one self-contained page with the pictures: faces are looked at, not read.

The page is a template with the people as JSON in it. It loads nothing from anywhere, and its policy
forbids it: it holds people's pictures.
"""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from profile_image_sync.cli.plan_table import PlanRow, rows
from profile_image_sync.local.files import write_file
from profile_image_sync.local.plan import UPLOAD, Plan, PlannedPerson

_PLACEHOLDER = "/*DATA*/null"


def write(plan: Plan, path: Path) -> None:
    """Write the page, readable by its owner only. Raises OSError."""
    template = files("profile_image_sync.cli").joinpath("plan_page.html").read_text("utf-8")
    people = [_person(*pair) for pair in zip(plan.people, rows(plan), strict=True)]
    run = plan.output.report.run
    data = {
        "started": run.start_time.isoformat() if run.start_time else "",
        "notes": [note for note in (*plan.output.report.notes, plan.output.report.message) if note],
        "people": people,
    }
    # "<" would end the script element that the JSON stands in
    text = template.replace(_PLACEHOLDER, json.dumps(data).replace("<", "\\u003c"))
    write_file(path, text.encode())


def _person(person: PlannedPerson, row: PlanRow) -> dict[str, Any]:
    picture, upload = person.picture, row.action == UPLOAD
    return {
        "person": row.person,
        "action": row.action,
        "reason": row.reason,
        "detail": row.detail,
        "name": row.name,
        "department": row.department,
        "picture": " · ".join(filter(None, [row.picture, _size(row.size)])),
        "account": f"HighQ user {row.highq_user}, by {row.rule}" if row.highq_user else "",
        "shared": row.shared_by or 0,
        "now": _base64(person.highq_preview),
        "nowText": person.highq_shows if upload else "",
        "before": _base64(picture.preview if picture else None),
        "after": _base64(picture.avatar_preview if picture and upload else None),
    }


def _size(number: int | None) -> str:
    return f"{number / 1024:.1f} KiB" if number else ""


def _base64(data: bytes | None) -> str:
    return base64.b64encode(data).decode() if data else ""
