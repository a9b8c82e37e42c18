"""Holds a manifest against a CustomResourceDefinition's schema, as an API server does with strict validation.

Unknown fields, missing ones, wrong types and words that are not in an enumeration; no CEL, no patterns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


def problems(value: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """Yield "path: what is wrong" for each problem below `value`."""
    wanted = _TYPES.get(schema.get("type", ""))
    if wanted and not isinstance(value, wanted) and not schema.get("x-kubernetes-int-or-string"):
        yield f"{path}: not of type {schema['type']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: none of {schema['enum']}"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from problems(item, schema.get("items", {}), f"{path}[{number}]")
    elif isinstance(value, dict):
        yield from _problems_of_fields(value, schema, path)


def _problems_of_fields(value: Schema, schema: Schema, path: str) -> Iterator[str]:
    fields: Schema = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}.{name}: missing"
    others = schema.get("additionalProperties")
    free = others or schema.get("x-kubernetes-preserve-unknown-fields")
    for name, inner in value.items():
        if name in fields:
            yield from problems(inner, fields[name], f"{path}.{name}")
        elif isinstance(others, dict):
            yield from problems(inner, others, f"{path}.{name}")
        elif not free and fields:
            yield f"{path}.{name}: unknown"
