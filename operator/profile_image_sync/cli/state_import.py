"""Checks an import before anything is written: whether the file belongs to the domain and HighQ.

Apart from the command, because the state of another tenant would let the next run upload everyone's
picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import typer

from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.cli.options import secret_folders
from profile_image_sync.cli.state_source import OpenState
from profile_image_sync.errors import StateMismatch
from profile_image_sync.worker.state_archive import StateArchive, read_archive
from profile_image_sync.worker.state_operations import Restoration, plan_restoration, rebound


@dataclass(frozen=True, slots=True)
class PreparedImport:
    """An import that may be done."""

    archive: StateArchive
    header: StateHeader  # to be written
    warnings: Sequence[str]


def prepare(
    file: Path,
    opened: OpenState,
    manifest: Path | None,
    secrets: Sequence[str] | None,
    *,
    rebind: bool,
) -> PreparedImport:
    """Read the file and check it. Raises StateMismatch when it belongs to another domain or HighQ."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter(f"{file} cannot be read: give a file of `state export`") from None
    archive = read_archive(lines, str(file))
    highq, domain = _bindings(opened, manifest, secrets)
    if rebind:
        header = rebound(archive.header, domain, highq)
    else:
        header = archive.header.bound_to_highq(highq)
        header = header.bound_to_domain(domain) if domain else header
    warnings = _warnings(archive, plan_restoration(opened.store, archive))
    if domain is None:
        warnings.append("The domain is checked by the next run, before its first upload.")
    return PreparedImport(archive, header, warnings)


def _bindings(
    opened: OpenState, manifest: Path | None, secrets: Sequence[str] | None
) -> tuple[str, UUID | None]:
    """Return the resource's HighQ, and its domain if it can be asked from here."""
    from profile_image_sync.local.manifest import load
    from profile_image_sync.worker.connections import open_directory

    if manifest is None:
        if opened.highq is None:
            raise StateMismatch(
                "there is no resource to check the file against: with --state give -f tenant.yaml, with "
                "--in-cluster apply the resource first (suspend: true keeps it from running)"
            )
        return opened.highq, None
    document = load(manifest)
    spec = document.resource.spec
    with open_directory(spec, document.references(secret_folders(secrets))) as directory:
        return spec.highq.address, directory.domain.guid


def _warnings(archive: StateArchive, restoration: Restoration) -> list[str]:
    exported = f"{archive.exported_at:%Y-%m-%d %H:%M} UTC"
    if restoration.newer_known:
        newer = f"{restoration.newer} people's pictures were recorded after the export"
        again = f"{newer}: they may be uploaded once more." if restoration.newer else f"{newer}."
    else:
        again = (
            f"Pictures that were uploaded after the export ({exported}) may be uploaded once more, and "
            "people who chose their own picture in HighQ since then may lose it."
        )
    return [f"The file holds {restoration.people} people, exported {exported}.", again]
