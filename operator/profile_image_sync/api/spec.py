"""The resource itself: `ProfileImageSync` and its spec.

The models are frozen; their docstrings and the ones under each field are what `kubectl explain`
shows. No field is ever ignored.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from profile_image_sync import names
from profile_image_sync.api.activedirectory import ActiveDirectory
from profile_image_sync.api.highq import HighQ
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.job import JobSettings
from profile_image_sync.api.model import ApiModel, Flag, Rule, Whole, refusal
from profile_image_sync.api.object_references import (
    NAME_RULE,
    NO_TOKEN_NAME,
    ObjectName,
)
from profile_image_sync.api.safety import Safety
from profile_image_sync.api.schedule_fields import Schedule, TimeZone
from profile_image_sync.api.state_policy import StatePolicy


class Mode(StrEnum):
    """Whether pictures are kept in step, or uploaded once per person."""

    CONTINUOUS = "Continuous"
    ONE_OFF = "OneOff"


class FirstSync(StrEnum):
    """What a first sync does for a person whose picture HighQ has not accepted yet."""

    OVERRIDE = "Override"
    ADOPT = "Adopt"
    FILL_EMPTY = "FillEmpty"


class ProfileImageSyncSpec(ApiModel):
    """What is synchronised, from where, to where, and when."""

    rules = (
        Rule(
            field="schedule",
            cel="self.mode != 'Continuous' || has(self.schedule)",
            holds=lambda spec: spec.mode is not Mode.CONTINUOUS or spec.schedule is not None,
            message="must be given when mode is Continuous",
        ),
    )

    mode: Mode = Mode.CONTINUOUS
    """Continuous: each change in Active Directory is uploaded, on schedule. OneOff: each person's picture is
    uploaded once; people who join later get theirs once too. May be changed at any time; the state is
    kept."""
    first_sync: FirstSync = FirstSync.OVERRIDE
    """What the first sync does for people who have a picture in Active Directory. Override: it is uploaded,
    even if HighQ already has one. Adopt: it is only recorded, and uploaded when it next changes; use this
    to move over from the Appliance without replacing anyone's own picture. FillEmpty: it is uploaded where
    the account in HighQ has no picture, else only recorded. Adopt and FillEmpty protect every account that
    exists when the first sync is complete; editing the field later changes nothing."""
    schedule: Schedule | None = Field(None, examples=["*/15 * * * *", "@daily-random"])
    """When runs start: five cron fields (minute, hour, day of month, month, day of week; Sunday is 0), or
    @hourly, @daily, @weekly, @monthly, @yearly, or @hourly-random, @daily-random, @weekly-random, which
    spread resources by a hash of namespace and name. Required when mode is Continuous. OneOff without a
    schedule is a single run; with one, later runs upload the pictures of people who joined since."""
    time_zone: TimeZone = Field("Etc/UTC", examples=["Europe/London"])
    """Time zone of the schedule: an IANA name."""
    suspend: Flag = False
    """Stop the schedule and the first run. Requested runs still start, and a run under way finishes. Missed
    runs are not caught up on resume."""
    run_on_create: Flag = True
    """Start a first run at once instead of at the first scheduled time."""
    dry_run: Flag = False
    """Plan and report only: nothing is uploaded and nothing recorded. A dry run never counts as the first or
    the one-off run."""
    run_request: str = Field("", max_length=128, examples=["2026-05-04 after the reorganisation"])
    """Each new value requests one run, whatever the schedule is. The annotation
    profileimagesync.io/run-request does the same."""
    active_directory: ActiveDirectory
    """Domain controllers, the account to read with, and which people and attributes to read."""
    highq: HighQ
    """The HighQ instance to upload to, and how people are matched to its users."""
    image: ImageSettings = Field(default_factory=ImageSettings)
    """Shape and size of the picture that is sent to HighQ."""
    safety: Safety = Field(default_factory=Safety)
    """Brakes: limits that stop a run before its first upload."""
    state: StatePolicy = Field(default_factory=StatePolicy)
    """What happens to the state: the record of what HighQ has accepted."""
    job: JobSettings = Field(default_factory=JobSettings)
    """Settings of a run's Job and pod. Ignored outside of a cluster."""


class Metadata(BaseModel):
    """The parts of an object's metadata that are used. Labels and annotations are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    name: Annotated[
        str, Field(min_length=1, max_length=names.MAX_NAME_LENGTH), NAME_RULE, NO_TOKEN_NAME
    ]
    namespace: ObjectName = "default"
    generation: Annotated[Whole, Field(ge=1)] | None = None


def _must_be(expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if value != expected:
            raise refusal(f"must be {expected}", value)
        return value

    return AfterValidator(check)


class ProfileImageSync(ApiModel):
    """The resource as a manifest or the API server gives it. Its status is ignored."""

    api_version: Annotated[str, _must_be(names.API_VERSION)]
    kind: Annotated[str, _must_be(names.KIND)]
    metadata: Metadata
    spec: ProfileImageSyncSpec

    @model_validator(mode="before")
    @classmethod
    def _without_status(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        return {key: value for key, value in document.items() if key != "status"}

    @property
    def identity(self) -> str:
        """`namespace/name`, for log lines and for spreading @…-random schedules."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
