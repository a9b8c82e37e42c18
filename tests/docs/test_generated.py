"""Pages that are made from code: committed as they would be made, and complete."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
import yaml

from docgen import reasons, runbooks
from docgen.pages import ROOT, pages
from profile_image_sync.api import crd

PAGES = pages()


@pytest.mark.parametrize("path", PAGES)
def test_a_committed_page_is_what_the_code_makes(path: str) -> None:
    """`make crd` or `make docs` mends a drift."""
    assert (ROOT / path).read_text() == PAGES[path]


def test_every_reason_in_the_code_has_a_runbook() -> None:
    """Conditions, events, reports and lists: docgen/runbooks.yaml explains each word."""
    assert runbooks.missing_reasons() == set()
    for error in reasons.error_classes():
        assert f"### {error.__name__}\n" in PAGES["docs/runbooks.md"]


def test_every_alert_has_a_runbook() -> None:
    """At the anchor that the alert's annotation names."""
    alerts = yaml.safe_load(runbooks.ALERTS.read_text())["groups"][0]["rules"]
    assert {rule["alert"] for rule in alerts} == runbooks.TEXTS["alerts"].keys()
    for rule in alerts:
        assert f"### {rule['alert']}\n" in PAGES["docs/runbooks.md"]


def test_the_reference_has_every_field_of_the_spec() -> None:
    """At the depth at which it is written in a manifest."""
    version = crd.definition()["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    text = PAGES["docs/reference/api.md"]
    for name, field in spec.items():
        assert f"| `{name}`" in text
        for inner in field.get("properties", {}):
            assert f"| `{inner}`" in text.partition(f"## `spec.{name}`\n")[2]


def test_the_picture_of_the_demo_shows_every_step() -> None:
    """In the order of the transcript, each in a group of its own that is shown for a while."""
    transcript = (ROOT / "docs/demo-transcript.md").read_text()
    titles = [line for line in transcript.splitlines() if line.startswith("== ")]
    picture = ET.fromstring(PAGES["docs/images/demo.svg"])  # noqa: S314  # our own
    groups = picture.findall("{*}g")
    assert [group[0].text for group in groups] == titles[-len(groups) :]
    assert len(groups) >= 8
    assert all("animation-name" in group.attrib["style"] for group in groups)
