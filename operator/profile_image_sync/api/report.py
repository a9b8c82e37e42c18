"""What a run says back: the report without names, and the lists of the people it is about.

The worker writes both; the operator turns the report into status and metrics. Names stay in the
lists, which are kept where few may read (a Secret, a file of mode 0600).
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field

from profile_image_sync.api.model import ApiModel
from profile_image_sync.api.status import Brake, Run, State

LISTED = 100  # people of each kind


class Report(ApiModel):
    """One run. Holds no name, no address and no secret."""

    run: Run
    """The numbers, as status shows them."""
    exit_code: int
    """Of the process that did the run."""
    reason: str = ""
    """Of a run that ended early: the error's CamelCase word."""
    message: str = ""
    """And its line for people."""
    reasons: dict[str, int] = Field(default_factory=dict)
    """How many people each CamelCase reason was said of."""
    notes: tuple[str, ...] = ()
    """What else a person should know."""
    first_sync_completed: bool = False
    """Whether everyone in scope has been through a first run."""
    highq_token_expiry: AwareDatetime | None = None
    """When HighQ's refresh token ends unless it is renewed before."""
    brake: Brake | None = None
    """Numbers that looked wrong and stopped the run, or would stop a real one."""
    state: State | None = None
    """The state as the run left it."""


class Kind(StrEnum):
    """The lists of people that a run leaves."""

    UPLOADED = "uploaded"
    ADOPTED = "adopted"
    NO_IMAGE = "noImage"
    REFUSED = "refused"
    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"


class ListedPerson(ApiModel):
    """One line of a list."""

    guid: str
    """objectGUID."""
    label: str
    """mail, else userPrincipalName, else account name."""
    reason: str = ""
    """One CamelCase word."""
    detail: str = ""
    """A sentence, with the remedy."""


class PeopleLists(ApiModel):
    """The first hundred people of each kind of one run."""

    run: str
    """The run's id."""
    people: dict[Kind, tuple[ListedPerson, ...]] = Field(default_factory=dict)
    """By kind."""
