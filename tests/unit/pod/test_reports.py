"""Reports fit into their objects, whatever a run has to say."""

from __future__ import annotations

import json

from profile_image_sync.api.report import LISTED, ListedPerson, PeopleKind, PeopleLists, Report
from profile_image_sync.api.status import Run
from profile_image_sync.pod.reports import MOST_BYTES, people_json, report_json


def lists(detail: str) -> PeopleLists:
    """Fill all lists with people of whom this is said."""
    person = ListedPerson(guid="g" * 36, label="ada@firm.example", reason="R", detail=detail)
    return PeopleLists(run="r", people=dict.fromkeys(PeopleKind, (person,) * LISTED))


def test_usual_lists_are_stored_whole() -> None:
    """A hundred people of each kind, with a sentence each."""
    usual = lists("a sentence that says what happened and what to do " * 3)
    assert PeopleLists.model_validate_json(people_json(usual)) == usual


def test_lists_too_long_are_cut_and_stay_readable() -> None:
    """A Secret takes a megabyte at most: the first of each kind are kept."""
    text = people_json(lists("é" * 3000))
    assert len(text.encode()) <= MOST_BYTES
    kept = PeopleLists.model_validate_json(text)
    (length,) = {len(people) for people in kept.people.values()}
    assert 0 < length < LISTED


def test_long_words_of_a_report_are_cut() -> None:
    """Its numbers never are."""
    run = Run(id="r", people=7)
    report = Report(run=run, exit_code=20, message="m" * 10**6, notes=("n" * 10**6,) * 100)
    text = report_json(report)
    assert len(text) < MOST_BYTES
    assert Report.model_validate_json(text).run == run
    assert set(json.loads(text)["message"]) == {"m"}
