"""The Secrets and ConfigMaps of a spec, as the kubelet mounts them in the pod."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from profile_image_sync.api.object_references import ReferenceKind
from profile_image_sync.errors import MissingReference
from profile_image_sync.worker.references import text_of, what_is_wrong

_FOLDERS: dict[ReferenceKind, str] = {"Secret": "secrets", "ConfigMap": "configmaps"}


@dataclass(frozen=True, slots=True)
class MountedReferences:
    """What the kubelet mounts in a worker's pod: ROOT/secrets/NAME/KEY, ROOT/configmaps/NAME/KEY."""

    root: Path

    def read(self, kind: ReferenceKind, name: str, key: str) -> str:
        """Return the value, as `References` says."""
        folder = self.root / _FOLDERS[kind] / name
        try:
            return text_of((folder / key).read_bytes())
        except (OSError, ValueError) as problem:
            raise MissingReference(
                f"{kind} {name}, key {key}: {what_is_wrong(problem)}{_others(folder, key)}; put the value "
                f"under this key of the {kind} {name} in the namespace of the resource"
            ) from None


def _others(folder: Path, key: str) -> str:
    """Say which other keys are there; only those that the spec needs are mounted, and only existing ones."""
    try:
        found = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".."))
    except OSError:
        return ""
    others = [name for name in found if name != key]
    return f" (there: {', '.join(others)})" if others else ""
