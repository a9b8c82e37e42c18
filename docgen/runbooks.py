"""The runbooks: what to do about each alert and each reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from docgen import reasons
from profile_image_sync.errors import TransientError

TEXTS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("runbooks.yaml").read_text())
ALERTS = Path(__file__).parents[1] / "charts/profile-image-sync/files/alerts.yaml"

_HEAD = """# Runbooks

What to do about each alert and each reason. Made from the alerts of the chart and from the code by
`make docs`.
"""
_CONDITIONS = """## Reasons of conditions and events

`kubectl get profileimagesync NAME -o yaml` shows the conditions with reason and message.
"""
_PEOPLE = """## Reasons of people and brakes

In a run's report they are counted. In the lists (the Secret `pisync-NAME-people`) they stand beside each
person.
"""
_SWEEPS = """## Reasons of full sweeps

Most runs read only who changed. A run that reads everyone says why: `fullSweep` in its report, and its log.
"""


def render() -> str:
    """Return the page. Raises LookupError for an alert or a reason without a text."""
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    parts = [_HEAD, "## Alerts\n"]
    for rule in rules:
        parts += [f"### {rule['alert']}\n", f"`{' '.join(rule['expr'].split())}`", ""]
        parts += [rule["annotations"]["description"], "", TEXTS["alerts"][rule["alert"]], ""]
    parts.append("## Reasons of runs that end early\n")
    for error in reasons.error_classes():
        again = "The run is repeated by itself. " if issubclass(error, TransientError) else ""
        doc = " ".join((error.__doc__ or "").split())
        parts += [
            f"### {error.__name__}\n",
            f"{doc} {again}",
            "",
            TEXTS["errors"][error.__name__],
            "",
        ]
    if missing := missing_reasons():
        raise LookupError(f"docgen/runbooks.yaml has no text for: {', '.join(sorted(missing))}")
    for head, section in ((_CONDITIONS, "conditions"), (_PEOPLE, "people"), (_SWEEPS, "sweeps")):
        rows = [f"| `{reason}` | {text} |" for reason, text in sorted(TEXTS[section].items())]
        parts += [head, "| Reason | Meaning and remedy |", "| --- | --- |", *rows, ""]
    return "\n".join(line.rstrip() for line in parts)


def missing_reasons() -> set[str]:
    """Return the reasons in the code that have no text."""
    sections = ("conditions", "people", "sweeps", "not_reasons", "errors")
    known = {reason for section in sections for reason in TEXTS[section]}
    return reasons.words() - known
