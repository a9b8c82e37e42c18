"""`spec.image`: the shape and size of the picture that is sent to HighQ."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from profile_image_sync.api.model import ApiModel, Whole

SMALLEST_SIDE = 256  # pixels; HighQ refuses less


class Fit(StrEnum):
    """How a picture becomes square."""

    CROP = "Crop"
    PAD = "Pad"


class Focus(StrEnum):
    """Which part of a tall picture Crop keeps. Of a wide picture it keeps the middle."""

    TOP = "Top"
    CENTER = "Center"


class ImageSettings(ApiModel):
    """Shape and size of the picture that is sent to HighQ."""

    fit: Fit = Fit.CROP
    """How a picture becomes square. Crop: cut to a square. Pad: the whole picture on a white square."""
    focus: Focus = Focus.TOP
    """Which part of a tall picture Crop keeps: Top, where heads are, or Center."""
    max_size: Whole = Field(512, ge=SMALLEST_SIDE, le=2048, examples=[256])
    """Largest side of the picture that is sent, in pixels. Larger pictures are scaled down. HighQ requires
    at least 256."""
    min_source_size: Whole = Field(48, ge=1, le=1024, examples=[96])
    """Smallest shorter side that a source picture may have, in pixels. Smaller ones are refused (TooSmall);
    the others are scaled up to the 256 pixels that HighQ requires."""
