"""Pictures that are converted and sent side by side, and the memory that this takes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.errors import ImageRefused, UploadFailed
from profile_image_sync.worker.people import Avatar, Person, Source
from profile_image_sync.worker.pipeline import IN_FLIGHT, RAW_BYTES, SENDERS, Pipeline, Upload
from profile_image_sync.worker.plan import PersonPlan, Verdict
from testkit import pictures

MIB = 1024 * 1024
MEASURE = Path(__file__).with_name("measure_images.py")
SLACK = 6 * MIB  # of the allocator: up to 5 MiB, by how the heap happens to lie


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[int, int]]:
    """Return memory needed by the estimate and taken at the peak, by name of the picture."""
    command = [sys.executable, str(MEASURE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, tuple[int, int]] = json.loads(done.stdout)
    return found


def test_no_picture_takes_more_than_its_estimate(measured: dict[str, tuple[int, int]]) -> None:
    """Measured in a process of its own, in every format and mode that takes much."""
    assert len(measured) > 8
    for name, (needed, taken) in measured.items():
        assert taken <= needed + SLACK, name


def test_no_picture_takes_more_than_64_mib(measured: dict[str, tuple[int, int]]) -> None:
    """However few bytes it has in the directory."""
    assert max(taken for name, (_, taken) in measured.items() if name != "all threads") < 64 * MIB


def test_pictures_in_all_threads_at_once_take_at_most_128_mib(
    measured: dict[str, tuple[int, int]],
) -> None:
    """Four grey PNGs with transparency, 23 KB each, 12 megapixels, took 455 MiB: the pod died of them."""
    _, taken = measured["all threads"]
    assert 64 * MIB < taken < 128 * MIB


class Highq:
    """Takes avatars; can be held back."""

    def __init__(self) -> None:
        """Begin as a HighQ that responds at once."""
        self.sent: list[int] = []
        self.open = threading.Event()
        self.open.set()

    def send(self, account: int, _avatar: Avatar) -> None:
        """Take an avatar, when not held back; account 13 is refused."""
        self.open.wait(10)
        if account == 13:
            raise UploadFailed("HighQTrouble", "HTTP 503")
        self.sent.append(account)


def upload(account: int) -> Upload:
    """Return an upload to this account."""
    source = Source("thumbnailPhoto", bytes(16))
    person = Person(UUID(int=account), (), source, (), "somebody")
    return Upload(PersonPlan(person, Verdict.UPLOAD_FIRST, account), source)


PNG = pictures.png(Image.new("RGB", (64, 64)))


def drain(pipeline: Pipeline) -> dict[int, BaseException | None]:
    """Return how each upload ended, by account."""
    ended = {}
    while len(pipeline):
        for finished in pipeline.finished(1.0):
            ended[finished.upload.plan.account_id] = finished.error
    return ended


def test_every_upload_ends_once_with_its_own_result() -> None:
    """Accepted, refused by HighQ, or no picture: none is lost, none disturbs another."""
    highq = Highq()
    with Pipeline(ImageSettings(), highq.send) as pipeline:
        for account in range(1, 31):
            pipeline.submit(upload(account), b"no picture" if account == 7 else PNG)
        ended = drain(pipeline)
    assert sorted(highq.sent) == [n for n in range(1, 31) if n not in (7, 13)]
    assert isinstance(ended.pop(7), ImageRefused)
    assert isinstance(ended.pop(13), UploadFailed)
    assert set(ended.values()) == {None}
    assert len(ended) == 28


def test_cancelling_sends_nothing_more_but_tells_what_is_being_sent() -> None:
    """A run that ends early records what HighQ still accepts."""
    highq = Highq()
    highq.open.clear()
    with Pipeline(ImageSettings(), highq.send) as pipeline:
        avatar = pipeline.convert(PNG)
        for account in range(100, 100 + 2 * SENDERS):
            pipeline.submit_converted(upload(account), avatar)
        pipeline.submit(upload(1), PNG)
        pipeline.cancel()
        highq.open.set()
        ended = drain(pipeline)
    assert 0 < len(ended) <= SENDERS
    assert sorted(ended) == sorted(highq.sent)


def test_there_is_room_for_a_few_uploads_only() -> None:
    """By number, and by the size of the pictures; a single one always has room."""
    highq = Highq()
    with Pipeline(ImageSettings(), highq.send) as pipeline:
        assert pipeline.has_room_for(bytes(RAW_BYTES + 1))
        pipeline.submit(upload(1), bytes(RAW_BYTES - 10))
        assert pipeline.has_room_for(bytes(10))
        assert not pipeline.has_room_for(bytes(11))
        drain(pipeline)
        avatar = pipeline.convert(PNG)
        for account in range(IN_FLIGHT):
            assert pipeline.has_room_for(PNG)
            pipeline.submit_converted(upload(account), avatar)
        assert not pipeline.has_room_for(PNG)


@pytest.mark.parametrize(("side", "large"), [(96, False), (1500, False), (2500, True)])
def test_a_picture_of_many_pixels_is_large(side: int, large: bool) -> None:
    """However few bytes it has."""
    raw = pictures.png(Image.new("RGB", (side, side)))
    assert len(raw) < 30_000
    with Pipeline(ImageSettings(), Highq().send) as pipeline:
        assert pipeline.is_large(raw) is large
