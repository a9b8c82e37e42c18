"""Validates a document: returns a model, or raises one `InvalidSpec` with a line per field.

Values are quoted only where a rule says that they may be: a document may hold secrets.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from profile_image_sync.api.crd import structural_schema
from profile_image_sync.errors import InvalidSpec

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]

# By pydantic's error types; the rest keeps pydantic's words. Filled with the error's context.
_SENTENCES = {
    "rule": "{text}",
    "missing": "is required",
    "string_type": "must be text; put it in quotes if it looks like a number, yes or no",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number, without quotes",
    "model_type": "must be an object with fields",
    "dict_type": "must be an object with fields",
    "tuple_type": "must be a list",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
}


def validated(model: type[Model], document: object, prefix: str = "") -> Model:
    """Read a document as JSON types make it; fields by their camelCase names only, null is absent.

    Raises InvalidSpec; each line is `prefix`, the field's path and what it must be.
    """
    try:
        return model.model_validate(_without_nulls(document), by_alias=True, by_name=False)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
    lines = [prefix + _line(model, error) for error in errors if not _is_echo(error)]
    raise InvalidSpec("\n".join(dict.fromkeys(lines)))


def _without_nulls(document: object) -> object:
    """Drop fields without a value, as the API server does: `schedule:` is no schedule."""
    if isinstance(document, dict):
        return {k: _without_nulls(v) for k, v in document.items() if v is not None}
    if isinstance(document, list):
        return [_without_nulls(entry) for entry in document]
    return document


def _is_echo(error: ErrorDetails) -> bool:
    """Whether a list is only too short because an entry of it was refused, which has its own line."""
    return error["type"] == "too_short" and bool(error["input"])


def _line(model: type[BaseModel], error: ErrorDetails) -> str:
    where = error["loc"]
    if error["type"] == "extra_forbidden":
        text = _unknown_field(where, _fields_at(model, where[:-1]))
    else:
        sentence = _SENTENCES.get(error["type"])
        text = sentence.format_map(error.get("ctx", {})) if sentence else error["msg"]
    return f"{_path(where) or 'the document'}: {text}"


def _unknown_field(where: Location, known: Iterable[str]) -> str:
    close = get_close_matches(str(where[-1]), known, n=1, cutoff=0.7)
    if close:
        return f"is no known field; did you mean {close[0]}?"
    return f"is no known field; known here: {', '.join(known)}"


def _path(where: Location) -> str:
    """Write a location as users write fields: `spec.highq.match[0].highq`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in where]
    return "".join(part for part in parts if part != ".[key]").removeprefix(".")


def _fields_at(model: type[BaseModel], where: Location) -> list[str]:
    """Return the names of the fields that a place in the document may have."""
    schema = structural_schema(model, defaults=False)
    for part in where:
        schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
    return list(schema["properties"])
