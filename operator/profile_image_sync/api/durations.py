"""Go durations ("168h", "1h30m") as `timedelta`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from profile_image_sync.api.model import VALIDATIONS, refusal

MAX_LENGTH = 32  # characters
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_TERM = r"[0-9]{1,6}(?:\.[0-9]{1,3})?[hms]"


def parse(text: str) -> timedelta:
    """Read "1h30m", "90m" or "1.5h"; raise ValueError for anything else. Units: h, m, s."""
    if len(text) > MAX_LENGTH or not re.fullmatch(f"(?:{_TERM})+", text):
        raise ValueError(text)
    seconds = sum(Fraction(term[:-1]) * _SECONDS[term[-1]] for term in re.findall(_TERM, text))
    return timedelta(microseconds=int(seconds * 1_000_000))


def render(value: timedelta) -> str:
    """Write a duration of whole milliseconds so that `parse` reads it back: "1h30m", "0s"."""
    milliseconds = value // timedelta(milliseconds=1)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds = f"{rest // 1000}.{rest % 1000:03}".rstrip("0").rstrip(".") if rest else ""
    terms = [(str(hours or ""), "h"), (str(minutes or ""), "m"), (seconds, "s")]
    return "".join(number + unit for number, unit in terms if number) or "0s"


@dataclass(frozen=True, slots=True)
class GoDuration:
    """Metadata of an `Annotated[timedelta, …]` field: a Go duration within bounds, both included."""

    low: str
    high: str

    @property
    def message(self) -> str:
        """What the field must be; continues a sentence that begins with its name."""
        return f"must be a duration such as 168h or 1h30m, from {self.low} to {self.high}"

    def check(self, value: Any) -> timedelta:
        """Read the wire form, or take a `timedelta` as it is; raise the refusal."""
        try:
            length = value if isinstance(value, timedelta) else parse(str(value))
        except ValueError:
            raise refusal(self.message, value) from None
        if not parse(self.low) <= length <= parse(self.high):
            raise refusal(self.message, render(length))
        return length

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.check,
            serialization=core_schema.plain_serializer_function_ser_schema(render),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        within = f"duration('{self.low}') <= duration(self) && duration(self) <= "
        rule = f"self.matches(r'^(?:{_TERM})+$') && {within}duration('{self.high}')"
        return {
            "type": "string",
            "maxLength": MAX_LENGTH,
            VALIDATIONS: [{"rule": rule, "message": self.message}],
        }
