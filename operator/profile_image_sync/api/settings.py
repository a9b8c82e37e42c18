"""`spec.image`, `spec.safety`, `spec.state`: what a picture becomes, and what stops a run."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from profile_image_sync.api.model import ApiModel, Percent, Whole

SMALLEST_SIDE = 256  # pixels; HighQ refuses less


class Fit(StrEnum):
    """How a picture that is not square becomes so."""

    CROP = "Crop"
    PAD = "Pad"


class Focus(StrEnum):
    """What Crop keeps of a tall picture; of a wide one it keeps the middle."""

    TOP = "Top"
    CENTER = "Center"


class DeletionPolicy(StrEnum):
    """What becomes of the state when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


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


class Safety(ApiModel):
    """Brakes: numbers that look wrong stop a run before its first upload."""

    max_changed_percent: Percent = Field(50, examples=[20])
    """Percent of the people with a picture whose picture may have changed since the last run. Counted
    from 20 people on, after the first sync. 100: no such brake."""
    min_people_percent: Percent = Field(50, examples=[90])
    """Percent of the people, and of the pictures of each attribute, of the last reading of everyone
    that must still be there. 0: no such brake."""
    max_first_uploads: Annotated[int, Field(strict=True, ge=1, le=10_000_000)] | None = Field(
        None, examples=[5000]
    )
    """More first uploads than this in one run stop it. Omitted: no such brake."""
    failure_threshold_percent: Percent = Field(10, examples=[5])
    """Percent of the people with a picture whose upload may fail in a run before its outcome is Failed
    instead of PartialFailure."""
    acknowledge: str = Field("", max_length=128, examples=["b-3f9a2c"])
    """The id of a brake that tripped (status.brake.id): lets one run through whose numbers are no
    worse. Empty: nothing is acknowledged."""


class StatePolicy(ApiModel):
    """What becomes of the record of what HighQ has accepted."""

    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """When this resource is deleted. Retain: the state stays and is taken up again by a resource of
    the same name. Delete: it goes too, and the next first sync overrides pictures anew."""
