"""The page of `plan --html` as people use it: filters, search, keyboard, themes, accessibility."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.report import PeopleLists, Report
from profile_image_sync.api.status import Outcome, Run
from profile_image_sync.cli import plan_page
from profile_image_sync.local.plan import Plan, PlannedPerson, SourcePicture
from profile_image_sync.worker.images import inspect, preview_avatar, preview_source
from profile_image_sync.worker.ledger import PersonRecord
from profile_image_sync.worker.matching import Match, MatchOutcome
from profile_image_sync.worker.people import Account, Person, PersonDetails
from profile_image_sync.worker.reporter import RunOutput
from testkit import pictures

PEOPLE = 5000
ACTIONS = (
    ("upload", "UploadFirst", ""),
    ("refused", "TooSmall", "put a larger picture into the directory"),
    ("unmatched", "NoAccount", "no HighQ user has their address"),
    ("unchanged", "", ""),
)


def picture(seed: int) -> SourcePicture:
    """Draw somebody."""
    raw = pictures.jpeg(pictures.portrait("AB", seed))
    return SourcePicture(
        "thumbnailPhoto",
        len(raw),
        inspect(raw),
        preview_source(raw),
        preview_avatar(raw, ImageSettings()),
    )


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a plan for 5,000 people."""
    drawn = [picture(seed) for seed in range(20)]
    people = []
    for number in range(PEOPLE):
        action, reason, detail = ACTIONS[number % len(ACTIONS)]
        seen = drawn[number % 20]
        has_picture = (None, True, False)[number // len(ACTIONS) % 3]
        account = Account(number + 1, active=True, email="", externalid="", has_picture=has_picture)
        people.append(
            PlannedPerson(
                person=Person(UUID(int=number + 1), (), None, (), f"p{number:04d}@firm.example"),
                action=action,
                reason=reason,
                detail=detail,
                record=PersonRecord(),
                match=Match(MatchOutcome.MATCHED, account, rule=0),
                rule="mail=email",
                details=PersonDetails(f"Person Number{number}", "Legal", "boss@firm.example"),
                picture=seen,
                shared_by=1,
                highq_preview=seen.preview if action == "upload" and has_picture else None,
            )
        )
    run = Run(id="r", outcome=Outcome.DRY_RUN, start_time=datetime(2026, 3, 1, tzinfo=UTC))
    note = "a real run would stop here: <b>60 %</b> of the pictures changed"
    output = RunOutput(Report(run=run, exit_code=0, notes=(note,)), PeopleLists(run="r"))
    file = tmp_path_factory.mktemp("page") / "plan.html"
    plan_page.write(Plan(output, tuple(people), ()), file)
    return file


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, page_file: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open the page in one of the themes; no error may show on its console."""
    context = browser.new_context(color_scheme=request.param)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("console", lambda message: errors.append(message.text))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(page_file.as_uri())
    yield opened
    context.close()
    assert errors == []


def count(page: Page) -> str:
    """Return the line that tells how many people are shown."""
    return page.locator("#count").inner_text()


def test_everyone_is_there_fifty_at_a_time(page: Page) -> None:
    """Only what is seen is in the document, so 5,000 people are no burden."""
    assert count(page) == "5000 of 5000 people"
    assert page.locator("tbody tr").count() == 50
    assert page.locator("#page").inner_text() == "Page 1 of 100"
    assert page.locator("#summary").inner_text() == (
        "1250 upload · 1250 refused · 1250 unmatched · 1250 unchanged"
    )
    assert page.get_by_text("This page holds people's pictures.").is_visible()
    assert page.get_by_text("<b>60 %</b> of the pictures changed").is_visible()


def test_filters_by_action_and_reason_and_a_search_by_name(page: Page) -> None:
    """They work together, and the reasons offered are those of the chosen action."""
    page.get_by_label("Action").select_option("refused")
    assert count(page) == "1250 of 5000 people"
    reasons = page.locator("#reason option").all_inner_texts()
    assert reasons == ["All reasons", "TooSmall (1250)"]
    page.get_by_label("Search by name").fill("number4")
    found = page.locator("tbody tr td:nth-child(2)").all_inner_texts()
    assert found
    assert all("Number4" in text for text in found)
    page.get_by_label("Search by name").fill("nobody at all")
    assert count(page) == "0 of 5000 people"


def test_the_keyboard_is_enough(page: Page) -> None:
    """Tab reaches every control in order, and the focus can be seen."""
    page.keyboard.press("Tab")
    page.keyboard.type("p0001@")
    assert count(page) == "1 of 5000 people"
    for _ in range(7):
        page.keyboard.press("Backspace")
    for _ in range(3):  # action, reason, next: "previous" is disabled
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.locator("#page").inner_text() == "Page 2 of 100"


def test_pictures_are_shown_with_their_meaning(page: Page) -> None:
    """What HighQ shows now, the directory's, and beside it what would be sent to HighQ."""
    first = page.locator("tbody tr").nth(4)
    alternatives = [image.get_attribute("alt") for image in first.locator("img").all()]
    assert alternatives == [
        "In HighQ now: p0004@firm.example",
        "In the directory: p0004@firm.example",
        "Would be sent: p0004@firm.example",
    ]
    assert "HighQ user 5, by mail=email" in first.inner_text()
    assert "Not fetched from HighQ" in page.locator("tbody tr").nth(0).inner_text()
    assert "HighQ shows no picture yet" in page.locator("tbody tr").nth(8).inner_text()
    assert (
        first.locator("img").first.evaluate(
            "image => image.decode().then(() => image.naturalWidth)"
        )
        == 96
    )


def test_axe_finds_nothing_to_complain_about(page: Page) -> None:
    """Screen readers and people who see little colour can use it."""
    script = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page.evaluate(script)
    result: dict[str, Any] = page.evaluate("axe.run()")
    assert [each["id"] for each in result["violations"]] == []
    assert len(result["passes"]) > 10


def test_on_paper_there_are_no_controls(page: Page) -> None:
    """Print leaves out filters and buttons."""
    page.emulate_media(media="print")
    assert not page.locator("form").is_visible()
    assert page.locator("tbody tr").first.is_visible()


def test_everyone_who_is_found_is_printed(page: Page) -> None:
    """All of them, not the fifty that are on the screen; afterwards it is as before."""
    page.get_by_label("Search by name").fill("p01")
    assert count(page) == "100 of 5000 people"
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("tbody tr").count() == 100
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("tbody tr").count() == 50


def test_a_key_in_the_search_makes_fifty_rows_at_the_most(page: Page) -> None:
    """Whatever the length of the list, so that typing does not stutter."""
    added = page.evaluate(
        """() => {
          const search = document.getElementById("search"), rows = document.getElementById("rows");
          const observer = new MutationObserver(() => {});
          observer.observe(rows, {childList: true});
          return ["p", "p1", "p12", "p123", ""].map((text) => {
            search.value = text;
            search.dispatchEvent(new Event("input"));
            return observer.takeRecords().reduce((sum, record) => sum + record.addedNodes.length, 0);
          });
        }"""
    )
    assert added == [50, 50, 50, 10, 50]
