"""Durations as Go writes them."""

from __future__ import annotations

from datetime import timedelta

import durationpy  # the kubernetes package brings it
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("168h", 604_800),
        ("1h30m", 5400),
        ("90m", 5400),
        ("1.5h", 5400),
        ("30m1h", 5400),
        ("0s", 0),
        ("0.001s", 0.001),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    """Hours, minutes and seconds, decimals, any order."""
    assert durations.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "7d", "1", "h", "-1h", "+1h", "1 h", "1h ", "1H", "1ms", "1.h", "٣h", "1h" * 17]
)
def test_anything_else_is_refused(text: str) -> None:
    """Days, signs, blanks, bare numbers and foreign digits are no Go duration of ours."""
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the text itself
        durations.parse(text)


@given(st.integers(0, 10**12))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    """The worker's snapshot of a spec holds the same durations as the spec."""
    value = timedelta(milliseconds=milliseconds)
    assert durations.parse(durations.render(value)) == value


@pytest.mark.parametrize(
    ("seconds", "text"), [(604_800, "168h"), (5400, "1h30m"), (61.5, "1m1.5s"), (0, "0s")]
)
def test_a_duration_is_written_short(seconds: float, text: str) -> None:
    """As a person would."""
    assert durations.render(timedelta(seconds=seconds)) == text


@given(st.from_regex(r"([0-9]{1,4}(\.[0-9]{1,3})?[hms]){1,3}", fullmatch=True))
def test_the_python_port_of_gos_reader_agrees(text: str) -> None:
    """Our grammar is a part of Go's: what we take means the same to every other reader."""
    assert durations.parse(text) == durationpy.from_str(text)
