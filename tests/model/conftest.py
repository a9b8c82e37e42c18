"""Small firms, small shards, and quiet runs in one thread: whole lives of a firm in milliseconds."""

from __future__ import annotations

from functools import cache

import pytest

from profile_image_sync.api.state_header import decode_header
from profile_image_sync.worker import brakes, ledger, pipeline, reading, reporter, run, uploader
from profile_image_sync.worker.images import memory_needed
from tests.model.fakes import OneThread, Silence, known_avatar
from tests.model.reference import COMPARE_FROM, FROM_PEOPLE


@pytest.fixture(autouse=True)
def small_firms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let brakes count from a few people on, and shards hold four; runs say nothing, in one thread."""
    monkeypatch.setattr(brakes, "MIN_PEOPLE_FOR_PERCENT", FROM_PEOPLE)
    monkeypatch.setattr(brakes, "MIN_COUNT_TO_COMPARE", COMPARE_FROM)
    monkeypatch.setattr(ledger, "PEOPLE_A_SHARD", 4)
    monkeypatch.setattr(ledger, "decode_header", cache(decode_header))
    monkeypatch.setattr(pipeline, "IN_FLIGHT", 2)  # so that uploads end while others wait
    monkeypatch.setattr(pipeline, "ThreadPoolExecutor", OneThread)
    monkeypatch.setattr(pipeline, "make_avatar", known_avatar)
    monkeypatch.setattr(pipeline, "memory_needed", cache(memory_needed))
    for module in (run, reading, uploader, reporter):
        monkeypatch.setattr(module, "log", Silence())
