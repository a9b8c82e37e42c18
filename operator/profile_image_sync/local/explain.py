"""What is known of one person, and what the next run does: why they have no picture in HighQ, or another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from profile_image_sync.api.report import PeopleKind
from profile_image_sync.errors import EXIT_FINISHED
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.matches import Matches
from profile_image_sync.local.plan import UNCHANGED, Plan, PlannedPerson, PlanSource, plan_run
from profile_image_sync.local.run import Notice
from profile_image_sync.worker.connections import open_directory
from profile_image_sync.worker.explanations import explain as explain_plan
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.matching import EXPLANATIONS
from profile_image_sync.worker.people import Person
from profile_image_sync.worker.plan import PersonPlan
from profile_image_sync.worker.state_operations import released, resent

_OPERATIONS: dict[str, Callable[[PersonRecord], PersonRecord]] = {
    "resend": resent,
    "release": released,
    "forget": lambda _: PersonRecord(),
}
_OUT_OF_SCOPE = "nothing: not in searchBases, userFilter and groups of the spec"


@dataclass(frozen=True, slots=True)
class WayOut:
    """A command that would change what the next run does for somebody."""

    command: str  # of `state`
    then: str  # what the next run would do: a reason word


@dataclass(frozen=True, slots=True)
class Explanation:
    """One person: the directory's side, the record, and the next run."""

    person: Person
    record: PersonRecord
    planned: PlannedPerson | None
    without_plan: str  # why nothing is planned for them
    ways_out: tuple[WayOut, ...]


def explain(
    source: PlanSource, text: str, *, notice: Notice, progress: Callable[[int, int], None]
) -> tuple[list[Explanation], int]:
    """Explain everyone with this mail, UPN, account name or objectGUID; return the plan's exit code, too.

    Raises what plan_run raises.
    """
    with open_directory(source.spec, source.references) as directory:
        found = directory.find(text)
    if not found:
        return [], EXIT_FINISHED
    plan = plan_run(source, notice=notice, progress=progress, previews=False)
    report = plan.output.report
    planned = {each.person.guid: each for each in plan.people}
    with FolderStore.open(source.folder) as store:
        ledger = Ledger.open(store, expected_id=None)
        explained = [
            Explanation(
                person=person,
                record=ledger.get(person.guid),
                planned=planned.get(person.guid),
                without_plan=report.message or _OUT_OF_SCOPE,
                ways_out=tuple(_ways_out(source, plan, ledger, planned.get(person.guid))),
            )
            for person in found
        ]
    return explained, report.exit_code


def _ways_out(
    source: PlanSource, plan: Plan, ledger: Ledger, planned: PlannedPerson | None
) -> Iterator[WayOut]:
    """Try each command on a record that is never written, and yield those that change the next run."""
    if planned is None or planned.record == PersonRecord():
        return
    person, record = planned.person, planned.record
    people = [each.person for each in plan.people]

    matches = Matches(source.spec, people, plan.accounts, ledger)
    ours = record.refused is None or record.refused.settings == matches.policy.image_settings
    if planned.action == PeopleKind.REFUSED and ours:
        return  # the picture itself: only another one helps

    def decided(changed: PersonRecord) -> PersonPlan:
        ledger.put(person.guid, changed)
        return Matches(source.spec, people, plan.accounts, ledger).plan(person)

    now = matches.plan(person)
    for command, operation in _OPERATIONS.items():
        then = decided(operation(record))
        if (then.verdict, then.reason) != (now.verdict, now.reason):
            yield WayOut(command, _action(then))
    ledger.put(person.guid, record)


def _action(plan: PersonPlan) -> str:
    kind, reason, _ = explain_plan(plan)
    return f"{kind or UNCHANGED} ({reason})" if reason else str(kind or UNCHANGED)


def lines(explanation: Explanation, state: str) -> list[tuple[str, str]]:
    """Return what is known, as names and texts; `state` are the options that name the state."""
    person, planned = explanation.person, explanation.planned
    source = person.source
    shown = [
        ("person", f"{person.label} ({person.guid})"),
        ("directory", f"{source.attribute}, MD5 {source.md5.hex()}" if source else "no picture"),
    ]
    if planned:
        shown.append(("HighQ user", _account(planned)))
    shown += _recorded(explanation.record)
    shown += _next_run(explanation)
    for way in explanation.ways_out:
        command = f"profile-image-sync state {way.command} {person.guid} {state}"
        shown.append(("to change", f"{command}   then: {way.then}"))
    return shown


def _account(planned: PlannedPerson) -> str:
    account, match = planned.account, planned.match
    if account:
        return f"{account.id}, by {planned.rule}"
    return f"none ({match.outcome}): {EXPLANATIONS[match.outcome]}"


def _next_run(explanation: Explanation) -> list[tuple[str, str]]:
    planned = explanation.planned
    if planned is None:
        return [("next run", explanation.without_plan)]
    reason = f" ({planned.reason})" if planned.reason else ""
    shown = [("next run", f"{planned.action}{reason}")]
    return shown + ([("why", planned.detail)] if planned.detail else [])


def _recorded(record: PersonRecord) -> list[tuple[str, str]]:
    shown = []
    if accepted := record.accepted:
        account = f"HighQ user {accepted.account_id}" if accepted.account_id else "no HighQ user"
        how = "may have been accepted" if accepted.unconfirmed else "accepted or adopted"
        text = f"{how} for {account}: {accepted.attribute}, MD5 {accepted.md5.hex()}"
        shown.append(("recorded", text + (", sent again by the next run" * accepted.resend)))
    if refused := record.refused:
        shown.append(("refused", f"{refused.reason}: MD5 {refused.md5.hex()}"))
    if record.waiting:
        shown.append(("waiting", f"{record.waiting}, the last time"))
    return shown or [("recorded", "nothing yet")]
