"""Opens a directory as a run does, from the words of a spec."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from profile_image_sync.api.activedirectory import ActiveDirectory
from profile_image_sync.worker.directory import BindCredentials, Directory

MATCH = ("mail", "userPrincipalName")


def longest(values: Sequence[bytes]) -> bytes:
    """Choose among several pictures, whatever their order."""
    return max(values, key=lambda value: (len(value), value))


def connect_directory(
    servers: Sequence[str] | None,
    ca_file: Path | None,
    username: str,
    password: str,
    match: Sequence[str] = MATCH,
    **spec: object,
) -> Directory:
    """Connect to the first reachable server; `spec` are further fields of `activeDirectory`."""
    return Directory.connect(
        ActiveDirectory.model_validate(
            {"servers": servers, "credentialsSecretRef": {"name": "ad-bind"}, **spec}
        ),
        match_attributes=match,
        credentials=lambda: BindCredentials(username, password),
        ca_bundle=ca_file.read_text() if ca_file else None,
        select_image=longest,
    )
