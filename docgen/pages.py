"""Which file is made of what: the one list that writing and checking share."""

from __future__ import annotations

from pathlib import Path

from docgen import animation, api_reference, chart_values, metrics_reference, runbooks

ROOT = Path(__file__).parents[1]
CHART_README = "charts/profile-image-sync/README.md"
VALUES = "charts/profile-image-sync/values.yaml"


def pages() -> dict[str, str]:
    """Return the text of each generated file, by its path."""
    return {
        "docs/reference/api.md": api_reference.render(),
        "docs/reference/metrics.md": metrics_reference.render(),
        "docs/runbooks.md": runbooks.render(),
        "docs/images/demo.svg": animation.render(),
        CHART_README: chart_values.with_table(
            (ROOT / CHART_README).read_text(), (ROOT / VALUES).read_text()
        ),
    }
