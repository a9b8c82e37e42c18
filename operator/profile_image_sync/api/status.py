"""`status`: conditions and the last runs, as numbers, never names of people.

The API server drops fields that are not declared here. The schema declares no defaults, because the API
server would write them into the object.
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
    """Types of conditions: those of kstatus, and Synced for the last run."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SYNCED = "Synced"


class ConditionStatus(StrEnum):
    """Status of a condition."""

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


class Trigger(StrEnum):
    """Why a run started."""

    SCHEDULE = "Schedule"
    REQUEST = "Request"
    FIRST_RUN = "FirstRun"
    RETRY = "Retry"
    KEEP_ALIVE = "KeepAlive"


class RequestSource(StrEnum):
    """Where a run request is written."""

    SPEC = "Spec"
    ANNOTATION = "Annotation"


class RequestPhase(StrEnum):
    """How far a run request is."""

    PENDING = "Pending"
    RUNNING = "Running"
    DONE = "Done"


class Condition(ApiModel):
    """A standard Kubernetes condition."""

    type: ConditionType
    """Ready: the spec is valid, the objects that belong to it exist, and the last run did not fail.
    Reconciling: objects are being created or updated. Stalled: a person must act. Synced: result of the
    last run."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=128)]
    """The reason for programs: one CamelCase word that does not change between versions."""
    message: Annotated[str, Field(max_length=32_768)]
    """The reason for people, and what to do."""
    last_transition_time: AwareDatetime
    """When the status of the condition last changed."""
    observed_generation: Generation | None = None
    """Generation of the spec that the condition is about."""


class Run(ApiModel):
    """What one run did, in numbers of people."""

    id: Word
    """Id of the run: the suffix of its Job's name."""
    trigger: Trigger | None = None
    """Why the run started. Retry: to finish, or after a failure was mended. KeepAlive: only to renew HighQ's
    token."""
    request: Word | None = None
    """The run request that the run answered."""
    generation: Generation | None = None
    """Generation of the spec that the run used."""
    start_time: AwareDatetime | None = None
    """When the run started."""
    completion_time: AwareDatetime | None = None
    """When the run ended."""
    outcome: Outcome | None = None
    """How the run ended. PartialFailure: some uploads failed, fewer than safety.failureThresholdPercent.
    Busy: another run was using the state."""
    reason: Word | None = None
    """Why the run ended early: one CamelCase word."""
    message: Annotated[str, Field(max_length=1024)] | None = None
    """Why the run ended early, for people. Of the last run only."""
    people: Count = 0
    """Number of people in scope."""
    uploaded: Count = 0
    """Number of pictures that HighQ accepted in this run."""
    to_upload: Count = 0
    """Number of pictures that are still to be uploaded: of a dry run, of a run that its deadline ended, or of
    a run under way."""
    adopted: Count = 0
    """Number of pictures that were recorded without an upload (firstSync: Adopt)."""
    unchanged: Count = 0
    """Number of pictures that HighQ had accepted before."""
    no_image: Count = 0
    """Number of people without a picture in Active Directory."""
    refused: Count = 0
    """Number of pictures that were refused and are not sent again until they change."""
    unmatched: Count = 0
    """Number of people without an active HighQ user."""
    ambiguous: Count = 0
    """Number of people who match several HighQ users, or a user whom another person matches too."""
    failed: Count = 0
    """Number of uploads that failed. The next run tries them again."""
    job: Annotated[str, Field(max_length=253)] | None = None
    """Name of the Job."""


class Brake(ApiModel):
    """A limit of spec.safety that stopped a run before its first upload."""

    id: Word
    """Value for spec.safety.acknowledge that lets one run through if its numbers are not worse."""
    reason: Word
    """Which brake: one CamelCase word."""
    message: Sentence
    """The numbers, and what to do."""


class State(ApiModel):
    """The state: the record of what HighQ has accepted."""

    id: Word
    """Id of the state. Every report names it."""
    people: Count = 0
    """Number of people with a record."""
    shards: Count = 0
    """Number of shards (ConfigMaps) that hold the records."""
    bytes: Bytes = 0
    """Size of the shards in bytes."""


class Pause(ApiModel):
    """Why no scheduled run starts: the last run needs a person, and nothing has changed since."""

    run: Word
    """Id of the run that failed."""
    generation: Generation
    """Generation of the spec that the run used."""
    references: Word
    """Hash of the versions of the Secrets and ConfigMaps that the spec names."""


class RunRequest(ApiModel):
    """The newest run request of one source."""

    source: RequestSource
    """Where it is written: in spec.runRequest or in the annotation profileimagesync.io/run-request."""
    value: Word
    """Its value."""
    phase: RequestPhase
    """Pending: a run is to be started. Running: its run is under way. Done: its run has ended."""
    job: Annotated[str, Field(max_length=253)] | None = None
    """Name of the Job that answers it; while Pending, of the Job that could not."""


class Retry(ApiModel):
    """Tries of a run that is repeated by itself."""

    since: AwareDatetime
    """When the first try ended."""
    tries: Count
    """Number of tries until now."""


class ProfileImageSyncStatus(ApiModel):
    """Observed state of the resource, and its last runs."""

    observed_generation: Generation | None = None
    """Generation of the spec that the status is about."""
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
    """When the next scheduled run starts."""
    effective_schedule: Annotated[str, Field(max_length=128)] | None = None
    """The schedule as five cron fields, with @…-random resolved."""
    first_sync_completed: bool | None = None
    """Whether the first sync is complete: every person in scope has been attempted once."""
    last_handled_run_request: Word | None = None
    """The last run request (of spec.runRequest or the annotation) that a run has answered."""
    handled_run_requests: Annotated[
        tuple[Word, ...], Field(max_length=2, json_schema_extra={LIST_TYPE: "atomic"})
    ] = ()
    """Written by the first version only: values that a run has answered. Now in runRequests."""
    run_requests: Annotated[
        tuple[RunRequest, ...],
        Field(
            max_length=2,
            json_schema_extra={LIST_TYPE: "map", "x-kubernetes-list-map-keys": ["source"]},
        ),
    ] = ()
    """The newest run request of each source, and how far it is."""
    retry: Retry | None = None
    """Set while runs are repeated by themselves, further apart each time: after uploads that may succeed
    later, and after a first run that failed for a transient reason."""
    highq_token_expiry: AwareDatetime | None = None
    """When HighQ's refresh token expires, unless a run renews it before."""
    brake: Brake | None = None
    """The brake that stopped the last run."""
    pause: Pause | None = None
    """Set while no scheduled run starts: until the spec, a Secret that it names, or a run request changes."""
    state: State | None = None
    """The state: the record of what HighQ has accepted."""
    history: Annotated[
        tuple[Run, ...], Field(max_length=MOST_RUNS, json_schema_extra={LIST_TYPE: "atomic"})
    ] = ()
    """The last five runs, newest first."""
