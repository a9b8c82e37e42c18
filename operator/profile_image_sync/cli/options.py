"""Options that several commands have, so that they are spelled and described alike."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from profile_image_sync.errors import InvalidSpec

ManifestFile = Annotated[
    Path,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="Manifest: a ProfileImageSync with its Secrets and ConfigMaps.",
    ),
]
StateFolder = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="FOLDER",
        help="Folder of the state. Default: ./.profile-image-sync/NAME.",
    ),
]
SecretFolders = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME=FOLDER",
        help="Read the Secret NAME from a folder with one file per key. May be repeated.",
    ),
]
ResourceName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Which ProfileImageSync, if the file has several."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print log lines, also on a terminal.")
]

Context = Annotated[
    str | None, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig.")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", metavar="NAME", help="Namespace. Default: that of the context."
    ),
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
SyncName = Annotated[str, typer.Argument(metavar="NAME", hidden=True)]


class TableOrJson(StrEnum):
    """Formats of a result."""

    TABLE = "table"
    JSON = "json"


TableOrJsonOption = Annotated[
    TableOrJson,
    typer.Option("--output", "-o", metavar="table|json", help="Format on standard output."),
]


class TableJsonOrCsv(StrEnum):
    """Formats of a list of people."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


TableJsonOrCsvOption = Annotated[
    TableJsonOrCsv,
    typer.Option("--output", "-o", metavar="table|json|csv", help="Format on standard output."),
]


def secret_folders(pairs: Iterable[str] | None) -> dict[str, Path]:
    """Return the folder of each Secret. Raises InvalidSpec when a pair is not NAME=FOLDER."""
    folders: dict[str, Path] = {}
    for pair in pairs or ():
        name, equals, folder = pair.partition("=")
        if not (name and equals and folder):
            raise InvalidSpec(
                f"--secret {name}: give NAME=FOLDER; the folder has one file per key of the Secret"
            )
        folders[name] = Path(folder)
    return folders


def require_writable(option: str, path: Path | None) -> None:
    """Raise BadParameter unless the file can be written: told before the work, not after it."""
    from profile_image_sync.local.files import check_writable

    try:
        if path:
            check_writable(path, 1)
    except OSError as error:
        raise typer.BadParameter(f"{option} {path}: {error.strerror}") from None
