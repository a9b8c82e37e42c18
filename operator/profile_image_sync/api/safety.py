"""`spec.safety`: the brakes, which stop a run before its first upload when its numbers look wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from profile_image_sync.api.model import ApiModel, Percent


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
