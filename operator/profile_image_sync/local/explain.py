"""What is known of one person, and what the next run does: why they have no picture in HighQ, or another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.manifest import Manifest
from profile_image_sync.local.plan import Plan, PlannedPerson, plan_run
from profile_image_sync.local.run import Notice
from profile_image_sync.worker.connections import open_directory
from profile_image_sync.worker.ledger import Ledger, PersonRecord
from profile_image_sync.worker.people import Person


@dataclass(frozen=True, slots=True)
class Explanation:
    """One person: the directory's side, the record, and the next run."""

    person: Person
    record: PersonRecord
    planned: PlannedPerson | None  # None: not in scope
    plan: Plan  # whose report may say why nothing is planned


def explain(
    manifest: Manifest,
    text: str,
    *,
    folder: Path,
    secret_folders: Mapping[str, Path],
    notice: Notice,
    progress: Callable[[int, int], None],
) -> list[Explanation]:
    """Return everyone with this mail, UPN, account name or objectGUID. Raises what plan_run raises."""
    spec = manifest.resource.spec
    with open_directory(spec, manifest.references(secret_folders)) as directory:
        found = directory.find(text)
    if not found:
        return []
    plan = plan_run(
        manifest,
        folder=folder,
        secret_folders=secret_folders,
        notice=notice,
        progress=progress,
        previews=False,
    )
    planned = {each.guid: each for each in plan.people}
    with FolderStore.open(folder) as store:
        ledger = Ledger.open(store, expected_id=None)
        return [
            Explanation(person, ledger.get(person.guid), planned.get(person.guid), plan)
            for person in found
        ]


def lines(explanation: Explanation, folder: Path) -> list[tuple[str, str]]:
    """Return what is known, as names and texts for people."""
    person, planned = explanation.person, explanation.planned
    source = person.source
    shown = [
        ("person", f"{person.label} ({person.guid})"),
        ("directory", f"{source.attribute}, MD5 {source.md5.hex()}" if source else "no picture"),
        *_recorded(explanation.record),
    ]
    if planned:
        reason = f" ({planned.reason})" if planned.reason else ""
        shown.append(("next run", f"{planned.action}{reason}"))
        shown += [("what to do", planned.detail)] if planned.detail else []
    elif explanation.plan.output.report.message:
        shown.append(("next run", explanation.plan.output.report.message))
    else:
        shown.append(("next run", "nothing: not in searchBases, userFilter and groups of the spec"))
    if explanation.record != PersonRecord():
        command = f"profile-image-sync state COMMAND {person.guid} --state {folder}"
        shown.append(("to change", f"{command}: resend, release or forget"))
    return shown


def _recorded(record: PersonRecord) -> list[tuple[str, str]]:
    shown = []
    if accepted := record.accepted:
        account = f"HighQ user {accepted.account_id}" if accepted.account_id else "no HighQ user"
        how = "may have been accepted" if accepted.unconfirmed else "accepted or adopted"
        text = f"{how} for {account}: {accepted.attribute}, MD5 {accepted.md5.hex()}"
        shown.append(("recorded", text + (", sent again by the next run" * accepted.resend)))
    if refused := record.refused:
        shown.append(("refused", f"{refused.reason}: MD5 {refused.md5.hex()}"))
    return shown or [("recorded", "nothing yet")]
