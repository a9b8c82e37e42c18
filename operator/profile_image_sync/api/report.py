"""The report of a run, without names, and the lists of people that belong to it.

The worker writes both. The operator turns the report into status and metrics. Names are only in the
lists, which are kept where few may read them: a Secret, or a file of mode 0600.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field, ValidationError

from profile_image_sync.api.model import ApiModel
from profile_image_sync.api.status import Brake, Run, State

LISTED = 100  # people of each kind
SCHEMA = 1  # grows with a field that an operator must not pass over


class Matching(ApiModel):
    """How people with a picture were matched: it tells a wrong rule before a picture moves."""

    by_rule: dict[str, int] = Field(default_factory=dict)
    """Number of people by rule ("mail=email"); `recorded`: kept though no rule leads there any more."""
    unmatched_by_domain: dict[str, int] = Field(default_factory=dict)
    """Number of people without an active HighQ user, by mail domain: the ten biggest."""
    ambiguous: dict[str, int] = Field(default_factory=dict)
    """Number of ambiguous people by cause."""


class Report(ApiModel):
    """Result of one run. Holds no name, no address and no secret."""

    schema_version: int = SCHEMA
    """Schema of this document."""
    run: Run
    """The numbers, as status shows them. Without completionTime: the run is under way."""
    exit_code: int
    """Exit code of the worker."""
    reason: str = ""
    """Reason of a run that ended early: one CamelCase word."""
    message: str = ""
    """The same for people, and what to do."""
    reasons: dict[str, int] = Field(default_factory=dict)
    """Number of people by reason."""
    notes: tuple[str, ...] = ()
    """Other remarks for people."""
    first_sync_completed: bool = False
    """Whether the first sync is complete: every person in scope has been attempted once."""
    highq_token_expiry: AwareDatetime | None = None
    """When HighQ's refresh token expires, unless a run renews it before."""
    brake: Brake | None = None
    """The brake that stopped the run, or would stop it without dryRun."""
    full_sweep: str = ""
    """Why the run read everyone: one CamelCase word. Empty: it read only what changed."""
    matching: Matching | None = None
    """How people with a picture were matched with HighQ users; omitted if not everyone was read."""
    state: State | None = None
    """The state at the end of the run."""


def decode_report(text: str) -> Report | None:
    """Read what a worker of this or another version wrote; None: it cannot be read.

    Fields that are not known are passed over. A report that cannot be read is replaced by the next run's.
    """
    try:
        report = Report.model_validate_json(text, extra="ignore")
    except ValidationError:
        return None
    return report if report.schema_version <= SCHEMA else None


class PeopleKind(StrEnum):
    """The lists of people in a report."""

    UPLOADED = "uploaded"
    TO_UPLOAD = "toUpload"
    ADOPTED = "adopted"
    NO_IMAGE = "noImage"
    REFUSED = "refused"
    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"


class ListedPerson(ApiModel):
    """One person of a list."""

    guid: str
    """objectGUID."""
    label: str
    """mail, else userPrincipalName, else account name."""
    reason: str = ""
    """One CamelCase word."""
    detail: str = ""
    """The reason for people, and what to do."""


class PeopleLists(ApiModel):
    """The first hundred people of each kind of one run."""

    run: str
    """The run's id."""
    people: dict[PeopleKind, tuple[ListedPerson, ...]] = Field(default_factory=dict)
    """By kind."""


def decode_people(text: str | bytes) -> PeopleLists:
    """Read the lists of the last run; empty ones where they cannot be read."""
    try:
        return PeopleLists.model_validate_json(text, extra="ignore")
    except ValidationError:
        return PeopleLists(run="")
