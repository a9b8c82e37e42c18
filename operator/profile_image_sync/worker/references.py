"""Where a run reads Secrets and ConfigMaps: the protocol that mounted folders and manifests implement.

A value is read again at each use, because it may have been rotated. No message shows a value.
"""

from __future__ import annotations

from typing import Protocol

from profile_image_sync.api.object_references import ReferenceKind
from profile_image_sync.api.referenced_keys import referenced_keys
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import MissingReference


class References(Protocol):
    """Reads the Secrets and ConfigMaps that a spec names."""

    def read(self, kind: ReferenceKind, name: str, key: str) -> str:
        """Return the value, without one trailing newline.

        Raises MissingReference when the object or the key is not there, or the value is empty; the
        message names the object, the key and the remedy.
        """
        ...


def require_references(spec: ProfileImageSyncSpec, references: References) -> None:
    """Raise one MissingReference with a line for each key that the spec needs and that is not there."""
    missing = []
    for needed in referenced_keys(spec):
        try:
            references.read(needed.kind, needed.name, needed.key)
        except MissingReference as error:
            missing.append(f"{needed.field}: {error}")
    if missing:
        raise MissingReference("\n".join(missing))


def text_of(value: bytes) -> str:
    """Return a value as text, without one trailing newline; raise ValueError with what is wrong."""
    try:
        # -sig: editors on Windows begin a file with a byte order mark
        text = value.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("is not text (UTF-8)") from None
    if not text:
        raise ValueError("is empty")
    return text


def what_is_wrong(problem: OSError | ValueError) -> str:
    """Say why a value could not be read from a file, without the file's content."""
    if isinstance(problem, FileNotFoundError | NotADirectoryError):
        return "is not there"
    return f"cannot be read ({problem.strerror})" if isinstance(problem, OSError) else str(problem)
