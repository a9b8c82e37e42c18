"""Reads the Secrets and ConfigMaps that a spec names, from folders or from the manifest's documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from profile_image_sync.api.object_references import ReferenceKind
from profile_image_sync.errors import MissingReference
from profile_image_sync.local.manifest_objects import ManifestObject
from profile_image_sync.worker.references import text_of, what_is_wrong


@dataclass(frozen=True, slots=True)
class ManifestReferences:
    """A Secret is read from its folder in `folders` (one file per key), else from `objects` of the file."""

    path: Path  # of the manifest, for messages
    namespace: str  # of the resource
    objects: Sequence[ManifestObject] = field(repr=False)  # they hold secrets
    folders: Mapping[str, Path]

    def read(self, kind: ReferenceKind, name: str, key: str) -> str:
        """Return the value, as `References` says."""
        try:
            if kind == "Secret" and name in self.folders:
                return text_of(_file(self.folders[name], key))
            return text_of(self._value(kind, name, key))
        except (OSError, ValueError) as problem:
            remedy = f"give it in a {kind} document in {self.path}"
            if kind == "Secret":
                remedy += f", or --secret {name}=FOLDER with a file {key} in it"
            raise MissingReference(
                f"{kind} {name}, key {key}: {what_is_wrong(problem)}; {remedy}"
            ) from None

    def _value(self, kind: ReferenceKind, name: str, key: str) -> bytes:
        """Return the value in the file. Raises ValueError with what is wrong."""
        for candidate in self.objects:
            if (candidate.kind, candidate.name) == (kind, name):
                if candidate.namespace not in (None, self.namespace):
                    raise ValueError(
                        f"is in namespace {candidate.namespace}, but the resource is in {self.namespace}"
                    )
                if key in candidate.values:
                    return candidate.values[key]
                raise ValueError(f"is not there; {_found(f'the {kind}', candidate.values)}")
        others = [candidate.name for candidate in self.objects if candidate.kind == kind]
        raise ValueError(f"is not there; {_found('the file', others, kind + 's')}")


def _file(folder: Path, key: str) -> bytes:
    """Return the content of the key's file. Raises OSError, or ValueError when it is not there."""
    try:
        return (folder / key).read_bytes()
    except FileNotFoundError:
        if not folder.is_dir():
            raise
        present = sorted(each.name for each in folder.iterdir() if each.is_file())
        raise ValueError(f"is not there; {_found(f'the folder {folder}', present)}") from None


def _found(place: str, names: Iterable[str], what: str = "keys") -> str:
    """Say what is there instead: most gaps are typing errors."""
    present = sorted(names)
    return f"{place} has the {what} {', '.join(present)}" if present else f"{place} has no {what}"
