"""Small pictures for the page of `plan`: what the directory holds, and what would be sent."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from profile_image_sync.api.image_settings import SMALLEST_SIDE, Fit, ImageSettings
from profile_image_sync.errors import ImageRefused
from profile_image_sync.worker.images.conversion import make_avatar
from profile_image_sync.worker.images.formats import open_image

PREVIEW_SIDE = 96  # pixels
_QUALITY = 75
_WHOLE = ImageSettings(fit=Fit.PAD, max_size=SMALLEST_SIDE, min_source_size=1)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What the header of a picture says."""

    format: str
    width: int  # pixels
    height: int


def inspect(raw: bytes) -> PictureFacts | None:
    """Return what the header says; None when it is not a picture that can be read."""
    try:
        image = open_image(raw)
    except ImageRefused:
        return None
    return PictureFacts(image.format or "", image.width, image.height)


def preview_source(raw: bytes) -> bytes | None:
    """Return the whole picture on a small white square, as JPEG; None when it cannot be shown."""
    return preview_avatar(raw, _WHOLE)


def preview_avatar(raw: bytes, settings: ImageSettings) -> bytes | None:
    """Return what would be sent, small, as JPEG; None when the picture would be refused."""
    try:
        avatar = make_avatar(raw, settings)
    except ImageRefused:
        return None
    with Image.open(BytesIO(avatar.data)) as image:
        small = image.convert("RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    data = BytesIO()
    small.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()
