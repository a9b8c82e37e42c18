"""Which failures end a run, and after how many."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from profile_image_sync.errors import (
    HighQUnavailable,
    ImageRefused,
    PersonError,
    SyncError,
    UploadDenied,
    UploadFailed,
    UploadRefused,
    UploadRejected,
    UploadsRejected,
    UploadUnconfirmed,
)
from profile_image_sync.worker.failure_streaks import MAX_STREAK, FailureStreaks

TROUBLE = UploadFailed("HighQTrouble", "HTTP 503")
REJECTED = UploadRejected("FileMissing", "ref 397")
UNCONFIRMED = UploadUnconfirmed("ResponseLost", "no answer")
OWN = (
    UploadDenied("AccessDenied", "HTTP 403"),
    UploadRefused("NotSquare", "ref 404"),
    ImageRefused("TooSmall", "47 pixels"),
)


def after(errors: Iterable[PersonError | None]) -> SyncError | None:
    """Return what ends the run, None when nothing does; None among `errors` is an accepted upload."""
    streaks = FailureStreaks()
    try:
        for error in errors:
            if error is None:
                streaks.on_success()
            else:
                streaks.on_failure(error)
    except SyncError as end:
        return end
    return None


@pytest.mark.parametrize(
    ("error", "end", "words"),
    [
        (TROUBLE, HighQUnavailable, "10 uploads failed by HighQ's own trouble.*HTTP 503"),
        (UNCONFIRMED, HighQUnavailable, "answers to 10 uploads were lost.*no answer"),
        (REJECTED, UploadsRejected, "rejected 10 of our requests.*ref 397.*spec.highq.endpoint"),
    ],
)
def test_ten_failures_without_a_yes_end_the_run(
    error: PersonError, end: type[SyncError], words: str
) -> None:
    """HighQ's own trouble, lost answers and rejected requests: each says what to look at (rule 4)."""
    assert after([error] * (MAX_STREAK - 1)) is None
    ended = after([error] * MAX_STREAK)
    assert type(ended) is end
    with pytest.raises(end, match=words):
        raise ended


@pytest.mark.parametrize("error", OWN)
def test_failures_of_people_never_end_a_run(error: PersonError) -> None:
    """Denied people and refused pictures say nothing of those behind them (rule 14)."""
    assert after([error] * 1000) is None


@pytest.mark.parametrize("error", [TROUBLE, UNCONFIRMED, REJECTED])
def test_a_yes_between_them_starts_the_count_anew(error: PersonError) -> None:
    """HighQ works after all."""
    nine: list[PersonError | None] = [error] * (MAX_STREAK - 1)
    assert after([*nine, None, *nine]) is None
    assert after([*nine, None, *nine, error]) is not None


@pytest.mark.parametrize("own", OWN)
def test_failures_of_people_between_them_are_no_yes(own: PersonError) -> None:
    """Trouble goes on counting across them."""
    assert after([TROUBLE, own] * MAX_STREAK) is not None


def test_kinds_are_counted_apart() -> None:
    """Nine of each is no ten of one."""
    assert after([TROUBLE, REJECTED, UNCONFIRMED] * (MAX_STREAK - 1)) is None
