"""When runs are due: five cron fields or a macro, in a time zone. Pure: no clock.

In a cluster the CronJob decides, so this reads a schedule exactly as Kubernetes does (robfig/cron 3):
Sunday is 0 and not 7; a run is due at every instant whose wall clock matches, so a time that the
clocks skip is not made up for, and one that they repeat comes twice. (But for two slips of its own: where
clocks change at midnight, as in Cairo, it may miss that day; where they change by half an hour, on Lord
Howe Island, it may be late that day.) croniter 7 and cronsim 2.8 differ over
clock changes and take more than Kubernetes does (seconds, L, #), which is why neither is used.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

MAX_LENGTH = 100  # characters
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
# Minute, hour and day of the week from the hash of namespace/name.
SPREAD = {
    "@hourly-random": "{minute} * * * *",
    "@daily-random": "{minute} {hour} * * *",
    "@weekly-random": "{minute} {hour} * * {weekday}",
}
MACHINES_ZONES = ("Local", "localtime")  # names of what each machine is set to
_known_zones = functools.cache(available_timezones)  # reads 600 files
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = dict(zip(range(1, 13), (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))


@dataclass(frozen=True, slots=True)
class Column:
    """One of the five fields of a schedule: its name, bounds, number as a pattern, and words."""

    name: str
    low: int
    high: int
    number: str
    words: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """The form of one item of a column's list: `*`, `5`, `1-5`, each also with `/15`."""
        # [Jj][Aa][Nn] rather than (?i:jan), under which more than ASCII letters match
        words = ["".join(f"[{c.upper()}{c}]" for c in word) for word in self.words]
        value = f"(?:{'|'.join([self.number, *words])})"
        return rf"(?:\*|{value}(?:-{value})?)(?:/[1-9][0-9]?)?"

    @property
    def grammar(self) -> str:
        """What a column is made of, for messages."""
        words = f" or {self.words[0]}-{self.words[-1]}" if self.words else ""
        return f"{self.low}-{self.high}{words}, with * - / and ,"

    def read(self, text: str) -> frozenset[int]:
        """Return the values that a column stands for; raise ValueError that names the column."""
        return frozenset().union(*(self._item(item) for item in text.split(",")))

    def _item(self, item: str) -> range:
        if not re.fullmatch(self.pattern, item):
            raise ValueError(f"{self.name} {item!r} is not made of {self.grammar}")
        span, _, step = item.partition("/")
        low, _, high = span.partition("-")
        if low == "*":
            return range(self.low, self.high + 1, int(step or 1))
        first = self._value(low)
        last = self._value(high) if high else self.high if step else first
        if first > last:
            raise ValueError(f"{self.name} {item!r} runs backwards: write it as two ranges")
        return range(first, last + 1, int(step or 1))

    def _value(self, text: str) -> int:
        return int(text) if text.isdigit() else self.words.index(text.lower()) + self.low


COLUMNS = (
    Column("minute", 0, 59, "[0-5]?[0-9]"),
    Column("hour", 0, 23, "[01]?[0-9]|2[0-3]"),
    Column("day of the month", 1, 31, "0?[1-9]|[12][0-9]|3[01]"),
    Column("month", 1, 12, "0?[1-9]|1[0-2]", _MONTHS),
    Column("day of the week", 0, 6, "0?[0-6]", _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class _Times:
    """The wall-clock times of a schedule."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # Sunday is 0
    either: bool  # both kinds of day are restricted: cron takes a day that is one of the two

    def on_day(self, wall: datetime) -> bool:
        """Whether the date matches."""
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return wall.month in self.months and (day or weekday if self.either else day and weekday)


def validate(schedule: str) -> None:
    """Raise ValueError, with a sentence, if Kubernetes would refuse the schedule or never run it."""
    _times(effective(schedule, "namespace/name"))


def validate_zone(zone: str) -> None:
    """Raise ValueError, with a sentence, unless it is a name of the IANA time zone database."""
    if zone not in _known_zones() or zone in MACHINES_ZONES:
        raise ValueError("is no name of the IANA time zone database, such as Europe/London")


def effective(schedule: str, identity: str) -> str:
    """Write a schedule as five fields; `identity` is "namespace/name", which spreads @…-random."""
    spread = int.from_bytes(hashlib.sha256(identity.encode()).digest())
    hours, minute = divmod(spread, 60)
    days, hour = divmod(hours, 24)
    if schedule in SPREAD:
        return SPREAD[schedule].format(minute=minute, hour=hour, weekday=days % 7)
    return MACROS.get(schedule, schedule)


def next_run(schedule: str, zone: str, after: datetime, identity: str) -> datetime:
    """Return the first instant after `after` (aware) at which a run is due, in UTC, to the minute.

    Raises ValueError for a schedule or a zone that `validate` and `validate_zone` refuse.
    """
    times = _times(effective(schedule, identity))
    place = ZoneInfo(zone)
    moment = after.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    while True:  # ends: `_times` refuses a day that never comes
        wall = moment.astimezone(place)
        if not times.on_day(wall):
            midnight = datetime.combine(wall.date() + timedelta(days=1), time(), place)
            moment = midnight.astimezone(UTC)
        elif wall.hour not in times.hours:
            moment += timedelta(minutes=60 - wall.minute)
        elif wall.minute not in times.minutes:
            moment += timedelta(minutes=1)
        else:
            return moment


def _times(schedule: str) -> _Times:
    """Read five fields."""
    if "TZ=" in schedule:
        raise ValueError("must not hold TZ=: the time zone goes into timeZone")
    if schedule.startswith("@"):
        known = ", ".join((*MACROS, *SPREAD))
        raise ValueError(f"{schedule!r} is no known word: take one of {known}, or five fields")
    texts = schedule.split(" ")
    if len(texts) != len(COLUMNS):
        names = ", ".join(column.name for column in COLUMNS)
        raise ValueError(f"must be five fields, one space between: {names}")
    minutes, hours, days, months, weekdays = map(Column.read, COLUMNS, texts)
    either = not any(re.search(r"\*(?:/1)?(?:,|$)", text) for text in (texts[2], texts[4]))
    if not either and not any(day <= _LONGEST[month] for day in days for month in months):
        raise ValueError("never comes: none of its months has such a day")
    return _Times(minutes, hours, days, months, weekdays, either)
