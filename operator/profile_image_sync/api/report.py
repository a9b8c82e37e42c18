"""What a run says back: the report without names, and the list of the people it is about.

The worker writes both; the operator turns the report into status and metrics. Names stay in the list,
which is kept where few may read (a Secret, a file of mode 0600).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "Succeeded"
    PARTIAL_FAILURE = "PartialFailure"  # some people failed, no more than failureThresholdPercent
    FAILED = "Failed"  # ended early, or more people failed than that
    DRY_RUN = "DryRun"
    BUSY = "Busy"  # another run holds the state


class _Paper(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Counts(_Paper):
    """People of one run, each counted once below `people`. A dry run counts what would be done."""

    people: int = 0
    uploaded: int = 0
    adopted: int = 0
    unchanged: int = 0
    no_image: int = 0
    refused: int = 0
    unmatched: int = 0
    ambiguous: int = 0
    failed: int = 0


class BrakeReport(_Paper):
    """Why a run stopped before its first upload, and the id that `safety.acknowledge` takes."""

    id: str
    reason: str
    message: str


class StateFacts(_Paper):
    """The state as the run left it."""

    id: str
    people: int
    shards: int
    bytes: int


class Report(_Paper):
    """One run. Holds no name, no address and no secret."""

    id: str
    request: str = ""  # the run request that this run serves
    generation: int = 0  # of the spec that it worked from
    job: str = ""  # uid of the Job whose pod did it
    start_time: datetime
    completion_time: datetime
    outcome: Outcome
    exit_code: int
    reason: str = ""  # of a run that ended early: the error's CamelCase word
    message: str = ""  # and its line for people
    counts: Counts = Counts()
    reasons: dict[str, int] = Field(default_factory=dict)  # CamelCase word -> people
    notes: tuple[str, ...] = ()  # what else a person should know
    first_sync_completed: bool = False
    highq_token_expiry: datetime | None = None
    brake: BrakeReport | None = None
    state: StateFacts | None = None


class Kind(StrEnum):
    """The lists of people that a run leaves."""

    UPLOADED = "uploaded"
    ADOPTED = "adopted"
    NO_IMAGE = "noImage"
    REFUSED = "refused"
    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"


class ListedPerson(_Paper):
    """One line of a list."""

    guid: str
    label: str  # mail, else userPrincipalName, else account name
    reason: str = ""
    detail: str = ""


class PeopleList(_Paper):
    """The first hundred people of each kind of one run."""

    run: str
    people: dict[Kind, tuple[ListedPerson, ...]] = Field(default_factory=dict)
