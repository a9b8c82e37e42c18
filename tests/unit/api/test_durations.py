"""Durations as Go writes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import durationpy  # the kubernetes package brings it
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

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


class Interval(BaseModel):
    """A model with a duration as the resource's models have them."""

    interval: Annotated[timedelta, durations.GoDuration("1m", "2h")]


@pytest.mark.parametrize("value", ["1m", "60s", "2h", "1h59m59.999s", timedelta(minutes=90)])
def test_both_bounds_belong_to_what_is_taken(value: object) -> None:
    """Text as in a manifest, or a duration that was read already."""
    model = Interval.model_validate({"interval": value})
    assert timedelta(minutes=1) <= model.interval <= timedelta(hours=2)


@pytest.mark.parametrize("value", ["59.999s", "2h0.001s", "0s", "9h", "soon", timedelta(0)])
def test_what_is_out_of_bounds_is_refused_with_the_bounds(value: object) -> None:
    """The message says what may be written."""
    with pytest.raises(ValidationError, match="such as 168h or 1h30m, from 1m to 2h"):
        Interval.model_validate({"interval": value})


@pytest.mark.parametrize(("length", "taken"), [(32, True), (33, False)])
def test_a_duration_has_at_most_32_characters(length: int, taken: bool) -> None:
    """As the CRD says."""
    text = "0h" * 15 + ("1m" if length % 2 == 0 else "01m")
    assert len(text) == length
    if taken:
        assert durations.parse(text) == timedelta(minutes=1)
    else:
        with pytest.raises(ValueError, match=text):
            durations.parse(text)
