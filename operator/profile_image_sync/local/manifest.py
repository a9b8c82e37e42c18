"""A manifest outside a cluster: one ProfileImageSync, and the Secrets and ConfigMaps it names.

Reads YAML as `kubectl` does, but refuses a field that is given twice. The file holds secrets, so no
message quotes it: line and column say where.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from profile_image_sync import names
from profile_image_sync.api.model import ApiModel, Flag, refusal, shown
from profile_image_sync.api.object_references import ObjectName, ReferenceKind
from profile_image_sync.api.spec import ProfileImageSync
from profile_image_sync.api.validation import validated
from profile_image_sync.errors import InvalidSpec, MissingReference
from profile_image_sync.worker.references import References, text_of, what_is_wrong

_TAG = "tag:yaml.org,2002:"
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def load(path: Path, name: str | None = None) -> Manifest:
    """Read a manifest; `name` picks one of several ProfileImageSyncs.

    Raises InvalidSpec: one line a field, or a line and column where the file is no YAML.
    """
    resources: list[dict[str, Any]] = []
    objects: list[_Object] = []
    for number, document in enumerate(_documents(path), start=1):
        where = f"{path}, document {number}"
        if not isinstance(document, dict):
            raise InvalidSpec(f"{where} is no object with apiVersion, kind, metadata and spec")
        kind = document.get("kind")
        if kind == names.KIND:
            resources.append(document)
        elif kind == "Secret":
            objects.append(_object(validated(_SecretDocument, document, f"{where} ({kind}): ")))
        elif kind == "ConfigMap":
            objects.append(_object(validated(_ConfigMapDocument, document, f"{where} ({kind}): ")))
        else:
            raise InvalidSpec(
                f"{where} is of kind {shown(kind)}: only {names.KIND}, Secret and ConfigMap are read"
                " here; take it out, and write the items of a List as documents of their own"
            )
    chosen = _chosen(path, resources, name)
    return Manifest(path, validated(ProfileImageSync, chosen), tuple(objects))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a file says: the resource, and the objects that it may name."""

    path: Path
    resource: ProfileImageSync
    objects: tuple[_Object, ...] = field(repr=False)  # they hold secrets

    def references(self, folders: Mapping[str, Path]) -> References:
        """Read Secrets from `folders` (name -> folder with one file a key) first, then from the file."""
        return _ManifestReferences(self, folders)


@dataclass(frozen=True, slots=True)
class _ManifestReferences:
    manifest: Manifest
    folders: Mapping[str, Path]

    def read(self, kind: ReferenceKind, name: str, key: str) -> str:
        """Return the value, as `References` says."""
        try:
            if kind == "Secret" and name in self.folders:
                return text_of((self.folders[name] / key).read_bytes())
            return text_of(self._value(kind, name, key))
        except (OSError, ValueError) as problem:
            remedy = f"give it in a {kind} document in {self.manifest.path}"
            if kind == "Secret":
                remedy += f", or --secret {name}=FOLDER with a file {key} in it"
            raise MissingReference(
                f"{kind} {name}, key {key}: {what_is_wrong(problem)}; {remedy}"
            ) from None

    def _value(self, kind: ReferenceKind, name: str, key: str) -> bytes:
        """Return the value in the file, or raise ValueError with what is wrong."""
        namespace = self.manifest.resource.metadata.namespace
        for candidate in self.manifest.objects:
            if (candidate.kind, candidate.name) == (kind, name):
                if candidate.namespace not in (None, namespace):
                    raise ValueError(
                        f"is in namespace {candidate.namespace}, but the resource is in {namespace}"
                    )
                if key in candidate.values:
                    return candidate.values[key]
        raise ValueError("is not there")


@dataclass(frozen=True, slots=True)
class _Object:
    """A Secret or ConfigMap of the file."""

    kind: ReferenceKind
    name: str
    namespace: str | None  # None: that of the resource
    values: Mapping[str, bytes] = field(repr=False)


class _Metadata(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    name: ObjectName
    namespace: ObjectName | None = None


def _decoded(text: Any) -> bytes:
    """Read base64, which may be broken into lines."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (AttributeError, ValueError):
        raise refusal("must be base64; plain text goes into stringData") from None


_Base64 = Annotated[bytes, BeforeValidator(_decoded)]


class _SecretDocument(ApiModel):
    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: _Metadata
    type: str = ""
    immutable: Flag = False
    data: dict[str, _Base64] = Field({})
    string_data: dict[str, str] = Field({})

    def values(self) -> dict[str, bytes]:
        """Return the value of each key; stringData wins, as in Kubernetes."""
        return {**self.data, **{key: text.encode() for key, text in self.string_data.items()}}


class _ConfigMapDocument(ApiModel):
    api_version: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: _Metadata
    immutable: Flag = False
    data: dict[str, str] = Field({})
    binary_data: dict[str, _Base64] = Field({})

    def values(self) -> dict[str, bytes]:
        """Return the value of each key."""
        return {**self.binary_data, **{key: text.encode() for key, text in self.data.items()}}


def _object(document: _SecretDocument | _ConfigMapDocument) -> _Object:
    metadata = document.metadata
    return _Object(document.kind, metadata.name, metadata.namespace, document.values())


def _chosen(path: Path, resources: list[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """Pick the resource that is asked for, or the only one; raise InvalidSpec that lists them."""
    found = [_name(document) for document in resources]
    fitting = [
        document for document, own in zip(resources, found, strict=True) if name in (None, own)
    ]
    if len(fitting) == 1:
        return fitting[0]
    held = f"it holds {', '.join(found)}" if found else "it holds none"
    if name is None and found:
        raise InvalidSpec(f"{path}: which {names.KIND}? {held}; choose one by --name")
    wanted = f"exactly one {names.KIND} is needed" + (f" named {name}" if name else "")
    raise InvalidSpec(f"{path}: {wanted}; {held}")


def _name(document: dict[str, Any]) -> str:
    """Return the name of a document that nobody has checked yet."""
    metadata = document.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else "one without a name"


class _Loader(yaml.SafeLoader):
    """Plain words become what JSON has; a date, 12:30 or 0123 stays text."""


_PLAIN = {
    "null": "~|null|",
    "bool": "|".join(_BOOLEANS),
    "int": "[-+]?(?:0|[1-9][0-9]{0,17})",
    "float": r"[-+]?[0-9]{1,17}\.[0-9]{1,17}",
}
_Loader.yaml_implicit_resolvers = {
    None: [
        (_TAG + name, re.compile(f"(?:{pattern})$", re.IGNORECASE | re.ASCII))
        for name, pattern in _PLAIN.items()
    ]
}


class _Refused(yaml.MarkedYAMLError):
    """YAML, but not what a manifest may hold; the problem is in our words."""


def _documents(path: Path) -> Iterator[object]:
    """Read the documents of a file, without empty ones; raise InvalidSpec."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        nodes = [node for node in yaml.compose_all(text, _Loader) if node is not None]
        documents = [document for document in map(_json, nodes) if document is not None]
    except OSError as problem:
        raise InvalidSpec(f"{path} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSpec(f"{path} is not text (UTF-8)") from None
    except (yaml.YAMLError, RecursionError) as problem:
        raise InvalidSpec(f"{path}{_place(problem)}") from None
    if not documents:
        raise InvalidSpec(f"{path} is empty: it must hold a {names.KIND}")
    yield from documents


def _place(problem: Exception) -> str:
    """Say where and why a file is no YAML. PyYAML's words quote the file, so quotes are cut out."""
    if not isinstance(problem, yaml.MarkedYAMLError) or problem.problem_mark is None:
        return " is not YAML: it holds control characters, or is nested without end"
    why = problem.problem or ""
    if not isinstance(problem, _Refused):
        why = "not YAML: " + re.sub("""['"].*['"]""", "…", why, flags=re.DOTALL)
    mark = problem.problem_mark
    return f", line {mark.line + 1}, column {mark.column + 1}: {why}"


def _json(node: yaml.Node) -> object:
    """Turn a node of YAML into what JSON has."""
    if isinstance(node, yaml.SequenceNode):
        return [_json(entry) for entry in node.value]
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, object] = {}
        for key, value in node.value:
            if key.tag != f"{_TAG}str":
                raise _Refused(problem="a field's name must be text", problem_mark=key.start_mark)
            if key.value in fields:
                twice = f"the field {shown(key.value)} is given twice"
                raise _Refused(problem=twice, problem_mark=key.start_mark)
            fields[key.value] = _json(value)
        return fields
    return _scalar(node)


def _scalar(node: yaml.Node) -> object:
    readers: dict[str, Callable[[str], object]] = {
        "null": lambda _: None,
        "bool": lambda text: _BOOLEANS[text.lower()],
        "int": int,
        "float": float,
        "str": str,
    }
    try:
        return readers[node.tag.removeprefix(_TAG)](node.value)
    except (KeyError, ValueError):
        problem = "a value with a tag (!) that is not read here"
        raise _Refused(problem=problem, problem_mark=node.start_mark) from None
