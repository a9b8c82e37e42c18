"""The API reference: every field of the CustomResourceDefinition, with type, default and rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from profile_image_sync.api import crd

Schema = dict[str, Any]

_HEAD = """# API reference

Made from the CustomResourceDefinition by `make docs`. In a cluster,
`kubectl explain profileimagesync.spec --recursive` shows the same.
"""


def render() -> str:
    """Return the page."""
    version = crd.definition()["spec"]["versions"][0]
    root = version["schema"]["openAPIV3Schema"]["properties"]
    parts = [_HEAD]
    for name in ("spec", "status"):
        parts += list(_section(name, root[name]))
    return "\n".join(parts)


def _section(path: str, schema: Schema) -> Iterator[str]:
    """Yield an object's table, then those of the objects in it."""
    required = schema.get("required", [])
    yield f"## `{path}`\n\n{schema.get('description', '').strip()}\n"
    rules = [each["message"] for each in schema.get("x-kubernetes-validations", [])]
    fields = [each.get("fieldPath", "") for each in schema.get("x-kubernetes-validations", [])]
    for field, message in zip(fields, rules, strict=True):
        yield f"- `{field.lstrip('.')}` {message}."
    yield ""
    yield "| Field | Type | Default | Description |\n| --- | --- | --- | --- |"
    inner = []
    for name, field in schema["properties"].items():
        mark = " (required)" if name in required else ""
        yield f"| `{name}`{mark} | {_type(field)} | {_default(field)} | {_cell(field)} |"
        nested = field.get("items", field)
        if "properties" in nested:
            inner.append((f"{path}.{name}" + ("[]" if "items" in field else ""), nested))
    yield ""
    for at, nested in inner:
        yield from _section(at, nested)


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    kind = str(schema.get("type", "any"))
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"))
        if key in schema
    ]
    return " ".join([schema.get("format", kind) if kind == "string" else kind, *bounds])


def _default(schema: Schema) -> str:
    value = schema.get("default")
    return "" if value is None or value in ({}, []) else f"`{json.dumps(value)}`"


def _cell(schema: Schema) -> str:
    text = " ".join(schema.get("description", "").split()).replace("|", "\\|")
    rules = [
        rule["message"]
        for rule in schema.get("x-kubernetes-validations", [])
        if "properties" not in schema
    ]
    return " ".join([text, *(f"It {message}." for message in rules)])
