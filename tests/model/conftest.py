"""Small firms, and quiet runs."""

from __future__ import annotations

import pytest

from profile_image_sync.worker import brakes, run, uploader
from tests.model.reference import COMPARE_FROM, FROM_PEOPLE
from tests.model.tenant import Silence


@pytest.fixture(autouse=True)
def small_firms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let brakes count from a few people on, since sequences with twenty are long; and runs say nothing."""
    monkeypatch.setattr(brakes, "MIN_PEOPLE_FOR_PERCENT", FROM_PEOPLE)
    monkeypatch.setattr(brakes, "MIN_COUNT_TO_COMPARE", COMPARE_FROM)
    monkeypatch.setattr(run, "log", Silence())
    monkeypatch.setattr(uploader, "log", Silence())
