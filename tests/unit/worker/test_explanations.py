"""Lists always carry a reason and a remedy."""

from __future__ import annotations

import ast
from pathlib import Path
from uuid import UUID

import pytest

from profile_image_sync import worker
from profile_image_sync.api.report import PeopleKind
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.explanations import REFUSALS, explain
from profile_image_sync.worker.highq.refs import Category, Classification
from profile_image_sync.worker.matching import MatchOutcome
from profile_image_sync.worker.people import Person
from profile_image_sync.worker.plan import PersonPlan, Verdict

ANN = Person(UUID(int=1), (), None, (), "ann@x")
REASONS = {
    Verdict.REFUSED: ["TooSmall", "NeverHeardOf"],
    Verdict.UNMATCHED: ["NoAccount", "AccountInactive"],
    Verdict.AMBIGUOUS: [outcome.value for outcome in MatchOutcome if outcome.ambiguous],
}
PLANS = [
    PersonPlan(ANN, verdict, reason=reason)
    for verdict in Verdict
    for reason in REASONS.get(verdict, [""])
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.verdict} {plan.reason}")
def test_everyone_in_a_list_has_a_reason_and_a_sentence(plan: PersonPlan) -> None:
    """Also someone who was refused long ago, and whom a later run only remembers by a word."""
    kind, reason, sentence = explain(plan)
    if kind is None:
        assert plan.verdict in (Verdict.UNCHANGED, Verdict.RERECORD)
        return
    assert reason.isalpha()
    assert len(sentence) > 20


def test_every_refusal_of_ours_has_a_remedy() -> None:
    """Whatever images refuses a picture for: the second run says what to do as the first did."""
    source = "\n".join(path.read_text() for path in Path(worker.__path__[0], "images").glob("*.py"))
    raised = {
        call.args[0].value
        for call in ast.walk(ast.parse(source.replace("from __future__ import annotations", "")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "ImageRefused"
        and isinstance(call.args[0], ast.Constant)
    }
    assert {"TooSmall", "Corrupt"} <= raised
    assert raised - REFUSALS.keys() == set()


def test_every_refusal_of_highqs_has_a_remedy() -> None:
    """The words of the table of refs, too."""
    from profile_image_sync.worker.highq import refs  # noqa: PLC0415  # its private tables are read

    found = [each for each in vars(refs).values() if isinstance(each, Classification)]
    found += [
        each
        for table in vars(refs).values()
        if isinstance(table, dict)
        for each in table.values()
        if isinstance(each, Classification)
    ]
    refusals = {each.reason for each in found if each.category is Category.REFUSED}
    assert refusals
    assert refusals - REFUSALS.keys() == set()


def test_the_numbers_add_up_to_people() -> None:
    """Each plan counts once; someone unconfirmed is unchanged as far as the numbers go."""
    from profile_image_sync.api.status import Run  # noqa: PLC0415

    counters = RunCounters()
    counters.people = len(PLANS)
    for plan in PLANS:
        counters.add_plan(plan)
    run = counters.filled(Run(id="1"))
    numbers = run.model_dump(include={"to_upload", "adopted", "unchanged", "no_image", "refused"})
    assert sum(numbers.values()) + run.unmatched + run.ambiguous == run.people
    assert len(counters.lists("1").people[PeopleKind.UNCONFIRMED]) == 1
