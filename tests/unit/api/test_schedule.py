"""Schedules: what is taken, what is refused, and when a run is due."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api import schedule

ME = "tenant-acme/acme"

TABLE = Path(__file__).with_name("robfig_cron") / "table.tsv"

# Clock changes that a person may want to look up, as robfig/cron answers.
CLOCK_CHANGES = [
    # spring: 02:30 is not there that night; autumn: 02:30 comes twice
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T20:00:00Z", "03-30T00:30 03-31T00:30"),
    ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", "03-29T00:30 03-29T01:00"),
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T20:00:00Z", "10-25T00:30 10-25T01:30 10-26T01:30"),
    ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", "10-25T00:00 10-25T01:00 10-25T02:00"),
    ("0 1 * * *", "America/New_York", "2026-11-01T03:00:00Z", "11-01T05:00 11-01T06:00"),
    ("0 2 * * 0", "America/New_York", "2026-03-07T20:00:00Z", "03-15T06:00 03-22T06:00"),
    ("0 0 * * *", "America/Santiago", "2026-09-05T20:00:00Z", "09-07T03:00 09-08T03:00"),
    ("0 12 * * *", "Pacific/Apia", "2026-05-04T00:00:00Z", "05-04T23:00 05-05T23:00"),
]


@pytest.mark.parametrize(("text", "zone", "after", "expected"), CLOCK_CHANGES)
def test_a_run_is_due_when_kubernetes_starts_it(
    text: str, zone: str, after: str, expected: str
) -> None:
    """`status.nextRunTime` is the instant at which the CronJob starts its Job, clock changes included."""
    moment = datetime.fromisoformat(after)
    due = []
    for _ in expected.split():
        moment = schedule.next_run(text, zone, moment, ME)
        due.append(moment.strftime("%m-%dT%H:%M"))
    assert due == expected.split()


def test_a_leap_day_is_waited_for() -> None:
    """29 February comes in 2028."""
    due = schedule.next_run("0 0 29 2 *", "UTC", datetime(2026, 5, 4, tzinfo=UTC), ME)
    assert due == datetime(2028, 2, 29, tzinfo=UTC)


ZONES = st.sampled_from(
    ["Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds are naive, the zone is added


@given(
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=6),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=6),
    zone=ZONES,
    after=INSTANTS,
)
def test_the_next_run_is_the_first_matching_minute(
    minutes: set[int], hours: set[int], zone: str, after: datetime
) -> None:
    """Between `after` and the next run no minute's wall clock matches; that of the next run does."""
    text = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    due = schedule.next_run(text, zone, after, ME)
    assert due > after
    moment = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while moment < due:
        wall = moment.astimezone(ZoneInfo(zone))
        assert not (wall.hour in hours and wall.minute in minutes)
        moment += timedelta(minutes=1)
    wall = due.astimezone(ZoneInfo(zone))
    assert (wall.hour in hours, wall.minute in minutes, wall.second) == (True, True, 0)


@given(
    days=st.sets(st.integers(1, 28), min_size=1, max_size=4),
    months=st.sets(st.integers(1, 12), min_size=1, max_size=3),
    weekdays=st.sets(st.integers(0, 6), min_size=1, max_size=3),
    after=INSTANTS,
)
def test_with_both_kinds_of_day_either_will_do(
    days: set[int], months: set[int], weekdays: set[int], after: datetime
) -> None:
    """Cron's oldest rule: a day of the month *or* a day of the week, in one of the months."""
    text = f"0 0 {','.join(map(str, days))} {','.join(map(str, months))} {','.join(map(str, weekdays))}"
    due = schedule.next_run(text, "UTC", after, ME)

    def matches(day: datetime) -> bool:
        return day.month in months and (day.day in days or day.isoweekday() % 7 in weekdays)

    day = after.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    while not matches(day):
        day += timedelta(days=1)
    assert due == day


# with two letters that fold to s and i, but are none
LETTERS = (
    "0123456789*/,- jJaAnNmMoOtTuUeE@\N{LATIN SMALL LETTER LONG S}\N{LATIN SMALL LETTER DOTLESS I}"
)


def taken(text: str) -> bool:
    """Whether we take a schedule; anything but ValueError breaks the test."""
    try:
        schedule.validate(text)
    except ValueError:
        return False
    return True


@given(
    st.lists(st.text(LETTERS.replace(" ", ""), min_size=1, max_size=5), min_size=5, max_size=5).map(
        " ".join
    )
    | st.from_regex(
        " ".join(column.pattern for column in schedule.COLUMNS), fullmatch=True, alphabet=LETTERS
    )
    | st.text(LETTERS, max_size=24)
    | st.text(max_size=12)
)
def test_what_we_take_the_api_server_takes(text: str) -> None:
    """A schedule is refused with a ValueError, or passes the patterns of the CRD as well."""
    if taken(text) and text not in schedule.MACROS | schedule.SPREAD:
        for column, part in zip(schedule.COLUMNS, text.split(" "), strict=True):
            assert all(re.fullmatch(column.pattern, item) for item in part.split(","))


@pytest.mark.parametrize("text", [*schedule.MACROS, *schedule.SPREAD])
def test_a_word_becomes_five_fields(text: str) -> None:
    """`status.effectiveSchedule` shows what a word stands for, and it is what runs follow."""
    effective = schedule.effective(text, ME)
    assert len(effective.split(" ")) == 5
    schedule.validate(effective)
    after = datetime(2026, 5, 4, 10, 7, tzinfo=UTC)
    assert schedule.next_run(text, "UTC", after, ME) == schedule.next_run(
        effective, "UTC", after, ME
    )


def test_five_fields_stay_as_they_are() -> None:
    """A schedule of five fields is its own effective schedule."""
    assert schedule.effective("0 6 * * 1-5", ME) == "0 6 * * 1-5"


def test_random_words_spread_resources_and_never_move() -> None:
    """@…-random depends on namespace and name alone, and spreads tenants over the whole period."""
    assert schedule.effective("@weekly-random", ME) == "58 14 * * 4"
    tenants = [f"tenant-{number}/acme" for number in range(2000)]
    daily = {schedule.effective("@daily-random", tenant) for tenant in tenants}
    hourly = {schedule.effective("@hourly-random", tenant) for tenant in tenants}
    weekdays = {schedule.effective("@weekly-random", tenant)[-1] for tenant in tenants}
    assert len(hourly) == 60
    assert len(daily) > 1000  # of 1,440 minutes
    assert weekdays == set("0123456")


@pytest.mark.parametrize("zone", ["Local", "localtime", "TZ=UTC", "", "posix/UTC", "../UTC", "utc"])
def test_only_names_of_the_iana_database_are_zones(zone: str) -> None:
    """What Kubernetes would refuse, or each machine would read differently, is refused."""
    with pytest.raises(ValueError, match="IANA"):
        schedule.validate_zone(zone)


def test_runs_are_due_when_robfig_cron_says() -> None:
    """Kubernetes' own library wrote the table: 3000 schedules in six zones, around both clock changes."""
    wrong = []
    for line in TABLE.read_text().splitlines():
        text, zone, after, expected = line.split("\t")
        due = schedule.next_run(text, zone, datetime.fromisoformat(after), ME)
        then = schedule.next_run(text, zone, due, ME)
        if [due, then] != [datetime.fromisoformat(each) for each in expected.split()]:
            wrong.append(line)
    assert wrong == []
