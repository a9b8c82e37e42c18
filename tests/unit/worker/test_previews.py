"""Previews: small, safe, and of every picture that can be shown at all."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.worker.images import PictureFacts, inspect, preview_avatar, preview_source
from testkit import pictures
from testkit.people import RUBBISH


def opened(data: bytes | None) -> Image.Image:
    """Open a preview."""
    assert data is not None
    return Image.open(BytesIO(data))


def test_a_source_is_shown_whole_and_an_avatar_as_it_would_be_cut() -> None:
    """A wide picture gets white bars in the one, and loses its sides in the other."""
    wide = pictures.jpeg(Image.new("RGB", (400, 200), "black"))
    whole = opened(preview_source(wide)).convert("L")
    assert (whole.size, whole.getpixel((48, 2))) == ((96, 96), 255)
    cut = opened(preview_avatar(wide, ImageSettings())).convert("L")
    assert (cut.size, cut.getpixel((48, 2))) == ((96, 96), 0)


def test_a_refused_picture_is_shown_if_it_can_be_read() -> None:
    """Too small to send, but not too small to look at."""
    small = pictures.jpeg(pictures.portrait("AA", 1, 32, 32))
    assert preview_avatar(small, ImageSettings()) is None
    assert opened(preview_source(small)).size == (96, 96)


@pytest.mark.parametrize("raw", [RUBBISH, b"", pictures.jpeg(pictures.portrait("A", 1))[:500]])
def test_what_is_no_picture_has_no_preview(raw: bytes) -> None:
    """None, never an error."""
    assert preview_source(raw) is None
    assert preview_avatar(raw, ImageSettings()) is None


def test_facts_come_from_the_header() -> None:
    """Format and size, for the work list."""
    assert inspect(pictures.gif(pictures.portrait("A", 1, 60, 50))) == PictureFacts("GIF", 60, 50)
    assert inspect(RUBBISH) is None
