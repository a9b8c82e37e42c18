"""What the operator writes about a resource: conditions and the last runs, as numbers, never names.

The schema is strict: the API server drops what is not here. Nothing has a default in it, or the API
server would write it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from profile_image_sync.api.model import LIST_TYPE, ApiModel, Count, Whole

Generation = Annotated[Whole, Field(ge=0, le=2**53 - 1)]
Bytes = Annotated[Whole, Field(ge=0, le=2**53 - 1)]
Word = Annotated[str, Field(max_length=128)]
Sentence = Annotated[str, Field(max_length=4096)]

MOST_RUNS = 5  # in history


class ConditionType(StrEnum):
    """What a condition speaks of (kstatus, and Synced for the last run)."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SYNCED = "Synced"


class ConditionStatus(StrEnum):
    """Whether it is so."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "Succeeded"
    PARTIAL_FAILURE = "PartialFailure"
    FAILED = "Failed"
    DRY_RUN = "DryRun"
    BUSY = "Busy"


class Condition(ApiModel):
    """A standard Kubernetes condition."""

    type: ConditionType
    """Ready: the spec is accepted, the children are in place and the last finished run did not fail.
    Reconciling: children are being brought into line. Stalled: a person must act. Synced: how the last
    run went."""
    status: ConditionStatus
    """Whether it is so."""
    reason: Annotated[str, Field(min_length=1, max_length=128)]
    """One CamelCase word, stable, for programs."""
    message: Annotated[str, Field(max_length=32_768)]
    """A sentence for people, with what to do."""
    last_transition_time: AwareDatetime
    """When status last changed."""
    observed_generation: Generation | None = None
    """The generation of the spec that this speaks of."""


class Run(ApiModel):
    """What one run did, in numbers of people."""

    id: Word
    """Which run."""
    request: Word | None = None
    """The run request that it served."""
    generation: Generation | None = None
    """The generation of the spec that it ran with."""
    start_time: AwareDatetime | None = None
    """When it started."""
    completion_time: AwareDatetime | None = None
    """When it ended."""
    outcome: Outcome | None = None
    """How it ended. PartialFailure: some people's uploads failed, fewer than
    safety.failureThresholdPercent. Busy: another run held the state."""
    people: Count = 0
    """People in scope."""
    uploaded: Count = 0
    """Pictures that HighQ accepted."""
    adopted: Count = 0
    """Pictures that were only recorded (firstSync: Adopt)."""
    unchanged: Count = 0
    """Pictures that HighQ had accepted before."""
    no_image: Count = 0
    """People without a picture in the directory."""
    refused: Count = 0
    """Pictures refused for good, by our rules or by HighQ's, until they change."""
    unmatched: Count = 0
    """People without an active HighQ user."""
    ambiguous: Count = 0
    """People who share a HighQ user, or whom several HighQ users fit."""
    failed: Count = 0
    """Uploads that failed; the next run tries them again."""
    job: Annotated[str, Field(max_length=253)] | None = None
    """The Job that did it."""


class Brake(ApiModel):
    """Numbers that looked wrong and stopped a run."""

    id: Word
    """What spec.safety.acknowledge must say to let one run through with no worse numbers."""
    reason: Word
    """Which brake, in one CamelCase word."""
    message: Sentence
    """The numbers, for people."""


class State(ApiModel):
    """The record of what HighQ has accepted."""

    id: Word
    """Which record: every report names it."""
    people: Count = 0
    """People with a row."""
    shards: Count = 0
    """Parts that it is stored in."""
    bytes: Bytes = 0
    """Bytes as stored."""


class Pause(ApiModel):
    """Why no run is started by itself: the last one needs a person, and nothing has changed since."""

    run: Word
    """The run that ended so."""
    generation: Generation
    """The generation of the spec that it ended with."""
    references: Word
    """Fingerprint of the versions of the Secrets and ConfigMaps that the spec names."""


class ProfileImageSyncStatus(ApiModel):
    """What was last seen and done."""

    observed_generation: Generation | None = None
    """The generation of the spec that this speaks of."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=8,
            json_schema_extra={LIST_TYPE: "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """Ready, Reconciling, Stalled and Synced."""
    last_run: Run | None = None
    """The last run that ended."""
    last_success_time: AwareDatetime | None = None
    """When a run last ended with Succeeded or PartialFailure."""
    next_run_time: AwareDatetime | None = None
    """When the schedule starts the next run."""
    effective_schedule: Annotated[str, Field(max_length=128)] | None = None
    """The schedule as five cron fields."""
    first_sync_completed: bool | None = None
    """Whether everyone in scope has been through a first run."""
    last_handled_run_request: Word | None = None
    """The value of spec.runRequest, or of the annotation, that was last served."""
    handled_run_requests: Annotated[
        tuple[Word, ...], Field(max_length=2, json_schema_extra={LIST_TYPE: "atomic"})
    ] = ()
    """Which of the present values of spec.runRequest and of the annotation ask for no other run."""
    highq_token_expiry: AwareDatetime | None = None
    """When HighQ's refresh token ends unless it is renewed before."""
    brake: Brake | None = None
    """Numbers that looked wrong and stopped the last run."""
    pause: Pause | None = None
    """Set while no run is started by itself: until the spec, a Secret or a request changes."""
    state: State | None = None
    """The record of what HighQ has accepted."""
    history: Annotated[
        tuple[Run, ...], Field(max_length=MOST_RUNS, json_schema_extra={LIST_TYPE: "atomic"})
    ] = ()
    """The last runs, newest first."""
