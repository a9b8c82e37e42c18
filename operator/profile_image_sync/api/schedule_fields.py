"""The types of `spec.schedule` and `spec.timeZone`: `schedule.py`'s rules, as pydantic and CEL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from profile_image_sync.api import schedule
from profile_image_sync.api.model import VALIDATIONS, Rule, refusal


def _checked(validate: Callable[[str], None]) -> AfterValidator:
    """Turn a function that raises ValueError with a sentence into a validator of a string."""

    def check(value: str) -> str:
        try:
            validate(value)
        except ValueError as problem:
            raise refusal(str(problem)) from None
        return value

    return AfterValidator(check)


@dataclass(frozen=True, slots=True)
class _CronRules:
    """What the API server checks of a schedule: all but ranges run backwards and days never come."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {VALIDATIONS: [self._shape(), *map(self._column, range(5))]}

    def _shape(self) -> dict[str, str]:
        words = (*schedule.MACROS, *schedule.SPREAD)
        quoted = ", ".join(f"'{word}'" for word in words)
        return {
            "rule": f"self in [{quoted}] || (self.split(' ').size() == 5 && !self.contains('TZ='))",
            "message": "must be five fields (minute, hour, day of the month, month, day of the week;"
            f" one space between, no TZ=: see timeZone) or one of {', '.join(words)}",
        }

    def _column(self, index: int) -> dict[str, str]:
        column = schedule.COLUMNS[index]
        items = f"self.split(' ')[{index}].split(',')"
        return {
            "rule": f"self.split(' ').size() != 5 || {items}.all(i, i.matches(r'^{column.pattern}$'))",
            "message": f"{column.name} must be made of {column.grammar}",
        }


Schedule = Annotated[
    str, Field(max_length=schedule.MAX_LENGTH), _checked(schedule.validate), _CronRules()
]
TimeZone = Annotated[
    str,
    Field(max_length=64),
    _checked(schedule.validate_zone),
    Rule(
        cel=f"self.matches(r'^[A-Za-z][-+_/A-Za-z0-9]*$') && !(self in {[*schedule.MACHINES_ZONES]})",
        holds=lambda name: name not in schedule.MACHINES_ZONES,
        message="must be a name of the IANA time zone database, such as Europe/London",
    ),
]
