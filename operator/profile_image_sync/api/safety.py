"""`spec.safety`: the brakes, which stop a run before its first upload when its numbers look wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from profile_image_sync.api.model import ApiModel, Percent


class Safety(ApiModel):
    """Brakes: limits that stop a run before its first upload."""

    max_changed_percent: Percent = Field(50, examples=[20])
    """Brake: percent of the people with a picture whose picture may have changed since the last run. Applies
    after the first sync, from 20 people on. 100: off."""
    min_people_percent: Percent = Field(50, examples=[90])
    """Brake: percent of the people, and of the pictures of each attribute, of the last full sweep that must
    still be there. 0: off."""
    min_matched_percent: Percent = Field(50, examples=[10])
    """Brake: percent of the people with a picture who must have a HighQ user in the first sync, and later of
    those who had one before. Applies from 20 people on. Lower it where only some have accounts. 0: off."""
    max_first_uploads: Annotated[int, Field(strict=True, ge=1, le=10_000_000)] | None = Field(
        None, examples=[5000]
    )
    """Brake: largest number of first uploads in one run. Omitted: off."""
    failure_threshold_percent: Percent = Field(10, examples=[5])
    """Percent of the uploads of a run that may fail, from 20 uploads on; of fewer, all must fail. With more,
    the outcome of the run is Failed instead of PartialFailure."""
    acknowledge: str = Field(
        "", max_length=512, examples=["3f9a2c71", "3f9a2c71 attributes-5d0c11ae"]
    )
    """Ids of brakes that stopped a run (status.brake.id), or of edits that a report tells of, separated by
    blanks. Each lets one run through, if its numbers are not worse. Empty: no acknowledgement."""
