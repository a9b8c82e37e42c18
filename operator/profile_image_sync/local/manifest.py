"""A manifest file: one ProfileImageSync, and the Secrets and ConfigMaps that it names.

The file that `kubectl apply` takes, so that a trial on a machine and a cluster share it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from profile_image_sync import names
from profile_image_sync.api.model import shown
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.validation import validated
from profile_image_sync.errors import InvalidSpec
from profile_image_sync.local.manifest_objects import ManifestObject, read_object
from profile_image_sync.local.manifest_references import ManifestReferences
from profile_image_sync.local.yaml_documents import documents
from profile_image_sync.worker.references import References


def load(path: Path, name: str | None = None) -> Manifest:
    """Read a manifest; `name` picks one of several ProfileImageSyncs.

    Raises InvalidSpec: one line a field, or a line and column where the file is no YAML.
    """
    resources: list[dict[str, Any]] = []
    objects: list[ManifestObject] = []
    for number, document in enumerate(documents(path), start=1):
        where = f"{path}, document {number}"
        if not isinstance(document, dict):
            raise InvalidSpec(f"{where} is not an object with apiVersion, kind, metadata and spec")
        kind = document.get("kind")
        if kind == names.KIND:
            resources.append(document)
        elif kind in ("Secret", "ConfigMap"):
            objects.append(read_object(document, where))
        else:
            raise InvalidSpec(
                f"{where} is of kind {shown(kind)}: only {names.KIND}, Secret and ConfigMap are read"
                " here; take it out, and write the items of a List as documents of their own"
            )
    chosen = _chosen(path, resources, name)
    return Manifest(path, validated(ProfileImageSync, chosen), tuple(objects))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as read: the resource, and the objects that it may name."""

    path: Path
    resource: ProfileImageSync
    objects: tuple[ManifestObject, ...] = field(repr=False)  # they hold secrets

    def references(self, folders: Mapping[str, Path]) -> References:
        """Return what reads Secrets from `folders` (by name), and everything else from the file."""
        return ManifestReferences(
            self.path, self.resource.metadata.namespace, self.objects, folders
        )


def _chosen(path: Path, resources: list[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """Return the resource of this name, or the only one. Raises InvalidSpec that lists all names."""
    found = [_name(document) for document in resources]
    fitting = [
        document for document, own in zip(resources, found, strict=True) if name in (None, own)
    ]
    if len(fitting) == 1:
        return fitting[0]
    held = f"it holds {', '.join(found)}" if found else "it holds none"
    if name is None and found:
        raise InvalidSpec(f"{path}: which {names.KIND}? {held}; choose one by --name")
    named = f" named {name}" if name else ""
    raise InvalidSpec(f"{path}: exactly one {names.KIND}{named} is needed; {held}")


def _name(document: dict[str, Any]) -> str:
    """Return the name in a document that is not validated yet."""
    metadata = document.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else "one without a name"
