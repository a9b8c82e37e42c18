"""`state …`: look at what a sync remembers, save and restore it, and change one person's record."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profile_image_sync.cli.options import (
    Context,
    SecretFolders,
    TableOrJson,
    TableOrJsonOption,
)
from profile_image_sync.cli.state_list import list_states

if TYPE_CHECKING:
    from profile_image_sync.worker.state_operations import StateSummary

state_app = typer.Typer(
    help="List, show, verify, save or restore states, or change one person's record.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[
    Path | None, typer.Option("--state", metavar="FOLDER", help="Folder of the state.")
]
InCluster = Annotated[
    str | None,
    typer.Option("--in-cluster", metavar="NAMESPACE/NAME", help="The state of this resource."),
]
Person = Annotated[
    str,
    typer.Argument(metavar="PERSON", hidden=True),
]
DirectoryManifest = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help="Manifest whose directory knows PERSON."),
]

state_app.command("list")(list_states)


@state_app.command("show")
def show_state(
    state: Folder = None,
    in_cluster: InCluster = None,
    context: Context = None,
    output: TableOrJsonOption = TableOrJson.TABLE,
) -> None:
    """Show what a state holds, in numbers.

    \b
    Examples:
      profile-image-sync state show --state ./acme-state
      profile-image-sync state show --in-cluster tenant-acme/acme --output json
    """
    from profile_image_sync.cli.state_source import open_state
    from profile_image_sync.worker.ledger import Ledger
    from profile_image_sync.worker.state_operations import summarise

    with open_state(state, in_cluster, context, change=False) as opened:
        summary = summarise(Ledger.open(opened.store, expected_id=None))
    facts = _facts(summary)
    if output is TableOrJson.JSON:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name:<22} {text or '-'}")


@state_app.command()
def verify(state: Folder = None, in_cluster: InCluster = None, context: Context = None) -> None:
    """Read every part of a state and check that it is complete.

    Exit codes: 0 complete, 20 a part is missing or damaged (the message says which, and the ways out).

    \b
    Example:
      profile-image-sync state verify --in-cluster tenant-acme/acme
    """
    from profile_image_sync.cli.state_source import open_state
    from profile_image_sync.worker.ledger import Ledger
    from profile_image_sync.worker.state_operations import summarise

    with open_state(state, in_cluster, context, change=False) as opened:
        summary = summarise(Ledger.open(opened.store, expected_id=None))
        where = opened.store.where
    header = summary.header
    typer.echo(
        f"State {header.id} in {where} is complete: {header.shards} shards, {summary.people} people."
    )


@state_app.command("export")
def export_state(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="File to write; it must not exist.")
    ],
    state: Folder = None,
    in_cluster: InCluster = None,
    context: Context = None,
) -> None:
    """Save a whole state in one file.

    The file holds no names of people and no tokens.

    \b
    Example:
      profile-image-sync state export --in-cluster tenant-acme/acme --out acme.state
    """
    from profile_image_sync.cli.state_source import open_state
    from profile_image_sync.worker.ledger import Ledger
    from profile_image_sync.worker.state_archive import write_archive

    with open_state(state, in_cluster, context, change=False) as opened:
        ledger = Ledger.open(opened.store, expected_id=None)
        ledger.load()
        lines = write_archive(ledger.header, ledger.items(), datetime.now(UTC))
        _write_new(out, "".join(f"{line}\n" for line in lines))
        people = ledger.people
    typer.echo(f"State {ledger.header.id} with {people} people is saved in {out}.")


@state_app.command("import")
def import_state(
    file: Annotated[Path, typer.Argument(metavar="FILE", hidden=True)],
    state: Folder = None,
    in_cluster: InCluster = None,
    context: Context = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="Manifest of the resource, for --state FOLDER."
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="NAME=FOLDER", help="As for sync. May be repeated."),
    ] = None,
    rebind: Annotated[
        bool,
        typer.Option("--rebind", help="The domain or HighQ's address has another name now."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Restore a state from a file of `state export`.

    Checks first that the file belongs to the same domain and HighQ as the resource, and says which
    pictures may be uploaded once more. --rebind skips this check and binds the state to the resource.

    \b
    Examples:
      profile-image-sync state import acme.state --in-cluster tenant-acme/acme
      profile-image-sync state import acme.state --state ./acme-state -f tenant.yaml
    """
    from profile_image_sync.cli.state_import import prepare
    from profile_image_sync.cli.state_source import open_state
    from profile_image_sync.worker.state_operations import restore

    with open_state(state, in_cluster, context, change=True) as opened:
        prepared = prepare(file, opened, manifest, secret, rebind=rebind)
        for line in prepared.warnings:
            typer.echo(line, err=True)
        if not yes and not _confirmed():
            raise typer.Exit(1)
        restore(opened.store, prepared.archive, prepared.header)
        where = opened.store.where
    typer.echo(
        f"State {prepared.header.id} with {len(prepared.archive.records)} people is restored in {where}."
    )


_WHO = """PERSON is an objectGUID, or the label of a person in the lists of the last run; with -f FILE, a mail
    address, userPrincipalName or account name in the directory.
"""


def _changes_one_person(described: Callable[[], None]) -> None:
    """Make a command that changes one person's record, with the name and the help of the function."""
    name, (summary, _, example) = described.__name__, (described.__doc__ or "").partition("\b")

    @state_app.command(name, help=f"{summary}{_WHO}\n    \b{example}")
    def command(
        person: Person,
        state: Folder = None,
        in_cluster: InCluster = None,
        context: Context = None,
        manifest: DirectoryManifest = None,
        secret: SecretFolders = None,
    ) -> None:
        _change(person, PersonSource(state, in_cluster, context, manifest, secret), name)


@_changes_one_person
def release() -> None:
    """Forget which HighQ account is a person's.

    Their next match gets the picture.

    \b
    Example:
      profile-image-sync state release ada.brook@corp.example --in-cluster tenant-acme/acme
    """


@_changes_one_person
def forget() -> None:
    """Forget a person.

    For the next run they are new, and firstSync applies to them.

    \b
    Example:
      profile-image-sync state forget 7f2714d6-8d10-48e1-ba75-465387a48b97 --state ./acme-state
    """


@_changes_one_person
def resend() -> None:
    """Let the next run upload a person's picture once more.

    Also if HighQ accepted or refused it, or its answer was lost.

    \b
    Example:
      profile-image-sync state resend ada.brook@corp.example --state ./acme-state
    """


@dataclass(frozen=True, slots=True)
class PersonSource:
    """Where a person's record is, and where the person is looked for."""

    state: Path | None
    in_cluster: str | None
    context: str | None
    manifest: Path | None
    secret: list[str] | None


def _change(person: str, place: PersonSource, command: str) -> None:
    from profile_image_sync.cli.state_source import find_person, open_state
    from profile_image_sync.cli.terminal import printable
    from profile_image_sync.worker.ledger import Ledger, PersonRecord
    from profile_image_sync.worker.state_operations import released, resent

    changes = {
        "release": (released, "has no account now: the next run uploads to the one they match"),
        "forget": (lambda _: PersonRecord(), "is forgotten: for the next run they are new"),
        "resend": (resent, "will be uploaded once more by the next run"),
    }
    with open_state(place.state, place.in_cluster, place.context, change=True) as opened:
        guid = find_person(person, opened.people, place.manifest, place.secret)
        ledger = Ledger.open(opened.store, expected_id=None)
        record = ledger.get(guid)
        if record == PersonRecord():
            raise typer.BadParameter(
                f"{printable(person)} has no record in {opened.store.where}: nothing to change"
            )
        change, result = changes[command]
        ledger.put(guid, change(record))
        ledger.commit(ledger.header)
    typer.echo(f"{printable(person)} ({guid}) {result}.")


def _facts(summary: StateSummary) -> dict[str, object]:
    header = summary.header
    first = header.first_sync
    return {
        "state": str(header.id),
        "domain": str(header.domain or ""),
        "highq": header.highq or "",
        "firstSyncCompleted": f"{first.time:%Y-%m-%d %H:%M} ({first.policy})"
        if first
        else str(header.first_sync_completed).lower(),
        "people": summary.people,
        "accepted": summary.accepted,
        "gone": summary.gone,
        "unconfirmed": summary.unconfirmed,
        "resend": summary.resend,
        "withoutAccount": summary.without_account,
        "refused": summary.refused,
        "waiting": summary.waiting,
        "brake": header.brake.id if header.brake else "",
        "shards": header.shards,
        "bytes": summary.bytes,
    }


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(text)
    except OSError as error:
        raise typer.BadParameter(f"--out {path}: {error.strerror}") from None


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        typer.echo("Nothing is changed: add --yes to import.", err=True)
        return False
    return typer.confirm("Import?")
