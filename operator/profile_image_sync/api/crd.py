"""The models as a CustomResourceDefinition: `crds/*.yaml` is `render()`, and a test keeps it so.

Pydantic's JSON schema becomes the structural schema of Kubernetes: references inlined, null dropped,
defaults on every parent, descriptions completed with default and example. Pure.
"""

from __future__ import annotations

import ast
import inspect
import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from profile_image_sync import names
from profile_image_sync.api import durations
from profile_image_sync.api.model import INT32_MAX, VALIDATIONS, ApiModel
from profile_image_sync.api.object_references import NO_TOKEN_NAME
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.status import ProfileImageSyncStatus

INT64_MAX = 2**63 - 1

Schema = dict[str, Any]

_NOT_STRUCTURAL = ("title", "examples", "propertyNames")
_COLUMNS = (
    # name, type, path, priority (1: only with -o wide)
    ("Mode", "string", ".spec.mode", 0),
    ("Schedule", "string", ".spec.schedule", 0),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Status", "string", '.status.conditions[?(@.type=="Synced")].reason', 0),
    ("Last Run", "date", ".status.lastRun.completionTime", 0),
    ("Uploaded", "integer", ".status.lastRun.uploaded", 0),
    ("Failed", "integer", ".status.lastRun.failed", 0),
    # as text: a date column shows an age, and this is in the future
    ("Next Run", "string", ".status.nextRunTime", 0),
    ("Suspended", "boolean", ".spec.suspend", 1),
    ("People", "integer", ".status.lastRun.people", 1),
    ("Last Success", "date", ".status.lastSuccessTime", 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    # empty while all is well
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 0),
)

# A resource that no operator has seen must not pass for healthy: kstatus takes one without conditions as
# current. The pattern, and the time, are Gateway API's.
_STATUS_BEFORE_THE_OPERATOR = {
    "conditions": [
        {
            "type": "Ready",
            "status": "Unknown",
            "reason": "Pending",
            "message": "no operator has seen this resource yet: see whether one runs and watches this"
            " namespace",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ]
}


def definition() -> Schema:
    """Return the CustomResourceDefinition as the body that Kubernetes takes."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def render() -> str:
    """Return the CustomResourceDefinition as YAML, always the same for the same models."""
    header = (
        "# Made by `profile-image-sync crd` from the models in operator/profile_image_sync/api.\n"
    )
    return header + yaml.safe_dump(definition(), sort_keys=False, width=100, allow_unicode=True)


def structural_schema(model: type[BaseModel], *, defaults: bool) -> Schema:
    """Return the schema of a model as Kubernetes takes it."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return _Structural(schema.pop("$defs", {}), defaults).node(schema)


def _root() -> Schema:
    longest = names.MAX_NAME_LENGTH
    return {
        "type": "object",
        "description": "Carries the pictures of one Active Directory into one HighQ instance.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(ProfileImageSyncSpec, defaults=True),
            "status": structural_schema(ProfileImageSyncStatus, defaults=False)
            | {"default": _STATUS_BEFORE_THE_OPERATOR},
        },
        VALIDATIONS: [
            {
                "rule": f"self.metadata.name.size() <= {longest}",
                "message": f"metadata.name must have at most {longest} characters: the names of what"
                " is made for it are built from it",
            },
            {
                "rule": NO_TOKEN_NAME.cel.replace("self", "self.metadata.name"),
                "message": f"metadata.name {NO_TOKEN_NAME.message}",
            },
        ],
    }


def _column(name: str, kind: str, path: str, priority: int) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority}


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, with durations as the API takes them, and with the docstrings of fields.

    Pydantic can read the docstrings itself (`use_attribute_docstrings`), but does so at each import:
    a fifth of the time that a worker needs to start.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        for name, text in _field_docstrings(schema["cls"]).items():
            found["properties"][to_camel(name)].setdefault("description", text)
        return found

    def encode_default(self, dft: Any) -> Any:
        return durations.render(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the string below each field in the source of the class and its bases, by the field's name."""
    classes = [each for each in reversed(model.__mro__) if issubclass(each, ApiModel)]
    statements = [ast.parse(inspect.getsource(each)).body[0] for each in classes]
    bodies = [each.body for each in statements if isinstance(each, ast.ClassDef)]
    texts = {}
    for field, below in (pair for body in bodies for pair in pairwise(body)):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                texts[name] = text
    return texts


@dataclass(frozen=True, slots=True)
class _Structural:
    """Makes pydantic's schema structural, node by node."""

    models: Schema  # by the name that references use
    defaults: bool

    def node(self, source: Schema) -> Schema:
        """Make one node structural, and all below it."""
        out = self._resolved(source)
        if out.get("additionalProperties") is False:
            del out["additionalProperties"]  # what is unknown is pruned, or refused with strict
        for key in ("items", "additionalProperties"):
            if key in out:
                out[key] = self.node(out[key])
        if "properties" in out:
            out["properties"] = {
                name: self._field(value) for name, value in out["properties"].items()
            }
        if out.get("type") == "integer":
            out["format"] = "int32" if out.get("maximum", INT64_MAX) <= INT32_MAX else "int64"
        return {key: value for key, value in out.items() if key not in _NOT_STRUCTURAL}

    def _field(self, source: Schema) -> Schema:
        """Make the node of a field: with its default, and with a description that tells it."""
        out = self.node(source)
        default, examples = source.get("default"), source.get("examples", [])
        out.pop("default", None)
        if default is None and out["type"] == "object" and "required" not in out:
            default = {}  # or the defaults further down would not be set
        if self.defaults and default is not None:
            out["default"] = default
        sentences = [" ".join(out.get("description", "").split())]
        if self.defaults and default not in (None, "", [], {}):
            sentences.append(f"Default: {_text_of(default)}.")
        if examples:
            sentences.append(f"Example: {', or '.join(map(_text_of, examples))}.")
        return {"description": " ".join(sentences)} | {
            key: value for key, value in out.items() if key != "description"
        }

    def _resolved(self, source: Schema) -> Schema:
        """Put the target of a reference in its place, and take null out of a choice."""
        out = dict(source)
        choices = [choice for choice in out.get("anyOf", ()) if choice != {"type": "null"}]
        if len(choices) == 1:
            del out["anyOf"]
            out = choices[0] | out
        if "$ref" in out:
            out = self.models[out.pop("$ref").rpartition("/")[2]] | out
        return out


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
