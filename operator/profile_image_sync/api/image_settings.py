"""`spec.image`: the shape and size of the picture that is sent to HighQ."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from profile_image_sync.api.model import ApiModel, Whole

SMALLEST_SIDE = 256  # pixels; HighQ refuses less


class Fit(StrEnum):
    """How a picture that is not square becomes so."""

    CROP = "Crop"
    PAD = "Pad"


class Focus(StrEnum):
    """What Crop keeps of a tall picture; of a wide one it keeps the middle."""

    TOP = "Top"
    CENTER = "Center"


class ImageSettings(ApiModel):
    """What a picture becomes on its way."""

    fit: Fit = Fit.CROP
    """Crop: cut to a square. Pad: a white square around the whole picture."""
    focus: Focus = Focus.TOP
    """What Crop keeps of a tall picture: Top (heads) or Center."""
    max_size: Whole = Field(512, ge=SMALLEST_SIDE, le=2048, examples=[256])
    """Pixels a side at most of the picture that is sent; larger ones are scaled down. HighQ takes
    none under 256."""
    min_source_size: Whole = Field(48, ge=1, le=1024, examples=[96])
    """Pixels of the shorter side under which a picture is refused (TooSmall); from there on it is
    scaled up to the 256 pixels that HighQ asks for."""
