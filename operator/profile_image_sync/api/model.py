"""Base class of the API models (frozen, strict), and rules that are written once for two readers.

A `Rule` holds one condition twice, side by side: in CEL for the API server, and as a predicate for
us, who also read manifests outside a cluster. `crd.py` prints the first, pydantic runs the second.
Nothing here knows what the fields mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

VALIDATIONS = "x-kubernetes-validations"
LIST_TYPE = "x-kubernetes-list-type"
INT32_MAX = 2**31 - 1
_SHOWN = 60  # characters of a refused value

# YAML has booleans and numbers of its own, and the API server takes no "512" for 512: nor do we.
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
Count = Annotated[int, Field(strict=True, ge=0, le=INT32_MAX)]


def first_problem(error: ValidationError) -> str:
    """Return the first of these errors as "field: what is wrong"; it quotes no value."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "the document"
    return f"{field}: {first['msg']}"


def refusal(message: str, value: object = None) -> PydanticCustomError:
    """Make the error of a broken rule; a given value is quoted, without what may be a password."""
    text = message if value is None else f"{shown(value)} {message}"
    return PydanticCustomError("rule", "{text}", {"text": text})


def shown(value: object) -> str:
    """Quote a value for a message: no user:password before an @, no query, at most a line of it."""
    text = re.sub(
        r"[?#].*", "?…", re.sub(r".*@", "…@", str(value), flags=re.DOTALL), flags=re.DOTALL
    )
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition, on a value (as `Annotated` metadata) or between the fields of a model.

    `message` continues a sentence that begins with the field's name; `field` says which field of the
    model is to blame. `quote`: the refused value may be shown (never where a secret could be mistaken
    for it).
    """

    cel: str
    holds: Callable[[Any], bool]
    message: str
    field: str = ""
    quote: bool = False

    def kubernetes(self) -> dict[str, str]:
        """Return the rule as an item of `x-kubernetes-validations`."""
        where = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, "message": self.message} | where

    def check(self, value: Any) -> Any:
        """Return the value, or raise the refusal."""
        if not self.holds(value):
            raise refusal(self.message, value if self.quote else None)
        return value

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema = handler(schema)
        json_schema.setdefault(VALIDATIONS, []).append(self.kubernetes())
        return json_schema


def matches(pattern: str, message: str, *, quote: bool = False) -> Rule:
    """Make the rule that a whole string matches a pattern (one that Python and RE2 read alike)."""
    compiled = re.compile(pattern)
    return Rule(
        cel=f"self.matches(r'^(?:{pattern})$')",
        holds=lambda value: compiled.fullmatch(value) is not None,
        message=message,
        quote=quote,
    )


def distinct(what: str) -> Rule:
    """Make the rule that a list of strings has no two alike, whatever their case."""
    return Rule(
        cel="self.all(x, self.exists_one(y, y.lowerAscii() == x.lowerAscii()))",
        holds=lambda values: len({value.lower() for value in values}) == len(values),
        message=f"must not name the same {what} twice",
    )


class ApiModel(BaseModel):
    """A part of the resource: frozen, no unknown fields, camelCase on the wire, rules obeyed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        broken = [
            InitErrorDetails(
                type=refusal(rule.message), loc=tuple(rule.field.split(".")), input=None
            )
            for rule in self.rules
            if not rule.holds(self)
        ]
        if broken:
            raise ValidationError.from_exception_data(type(self).__name__, broken)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        json_schema = handler(core_schema)
        if cls.rules:
            handler.resolve_ref_schema(json_schema)[VALIDATIONS] = [
                rule.kubernetes() for rule in cls.rules
            ]
        return json_schema
