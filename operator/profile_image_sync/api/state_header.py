"""The state's header: what a sync remembers besides its people, as one small JSON document.

The controller makes it, once; the worker updates it, after the shards it speaks of. No I/O here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError, field_validator

from profile_image_sync.api.model import ApiModel, Count
from profile_image_sync.errors import StateDamaged, StateMismatch

SCHEMA = 1
MAX_SHARDS = 256
MAX_HANDLED_REQUESTS = 16


class Sweep(ApiModel):
    """What the last full sweep of the directory counted: the measure of the next one's brakes."""

    people: Count
    with_image: Count = 0  # people with an image in any attribute asked for
    images: Mapping[str, Count]  # attribute asked for -> people with an image in it


class PendingBrake(ApiModel):
    """A brake that stopped a run and waits for `safety.acknowledge`."""

    id: str
    figures: Mapping[str, Count]  # by reason; no worse ones may pass once acknowledged


class StateHeader(ApiModel):
    """What binds the shards together. Written last, so that it never speaks of what is not there.

    `revisions` holds one number a shard, as of this header's writing: 0 means that the shard has not
    been written yet. Their number is the number of shards, a power of two.
    """

    schema_version: int = SCHEMA
    id: UUID  # random; status, shards and reports echo it
    domain: UUID | None = None  # objectGUID of the domain; set by the first run that reaches it
    highq: str | None = None  # "host/path"; set by the first run that reaches it
    image_attributes: tuple[str, ...] | None = None  # of the last run
    first_sync_completed: bool = False
    sweep: Sweep | None = None
    brake: PendingBrake | None = None
    handled_requests: Annotated[tuple[str, ...], Field(max_length=MAX_HANDLED_REQUESTS)] = ()
    revisions: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = (0,)

    @field_validator("revisions")
    @classmethod
    def _a_power_of_two(cls, revisions: tuple[int, ...]) -> tuple[int, ...]:
        if len(revisions).bit_count() != 1 or len(revisions) > MAX_SHARDS:
            raise ValueError(f"{len(revisions)} shards: not a power of two up to {MAX_SHARDS}")
        return revisions

    @property
    def shards(self) -> int:
        """Return how many shards there are."""
        return len(self.revisions)

    def having_handled(self, request: str) -> Self:
        """Return the header with this run request as the newest handled one; the oldest fall out."""
        others = (known for known in self.handled_requests if known != request)
        handled = (*others, request)[-MAX_HANDLED_REQUESTS:]
        return self.model_copy(update={"handled_requests": handled})

    def bound_to_domain(self, domain: UUID) -> Self:
        """Return the header bound to this domain; raise StateMismatch when it is another's."""
        if self.domain not in (None, domain):
            raise StateMismatch(
                f"state {self.id} belongs to the domain with objectGUID {self.domain}, but the "
                f"directory answers as {domain}: point spec.activeDirectory at the former domain, or "
                "give this one a resource of its own"
            )
        return self.model_copy(update={"domain": domain})

    def bound_to_highq(self, highq: str) -> Self:
        """Return the header bound to "host/path"; raise StateMismatch when it is another's."""
        if self.highq not in (None, highq):
            raise StateMismatch(
                f"state {self.id} belongs to HighQ {self.highq}, but spec.highq.url is {highq}: set "
                "it back, or give this HighQ a resource of its own"
            )
        return self.model_copy(update={"highq": highq})


class _Version(BaseModel):
    """As much of a header as every version can read."""

    schema_version: Annotated[int, Field(alias="schemaVersion")]


def new_header(id: UUID) -> StateHeader:  # noqa: A002 - the field's own name
    """Return the header of a state in which nothing has happened yet."""
    return StateHeader(id=id)


def encode_header(header: StateHeader) -> bytes:
    """Return the header as UTF-8 JSON, one line."""
    return header.model_dump_json(by_alias=True).encode() + b"\n"


def decode_header(data: bytes, where: str) -> StateHeader:
    """Read a header back; `where` names its store in messages, e.g. "folder /srv/acme".

    Raises StateMismatch when a newer version wrote it, StateDamaged when it cannot be read.
    """
    try:
        version = _Version.model_validate_json(data).schema_version
        if version > SCHEMA:
            raise StateMismatch(
                f"the state header in {where} has schema {version}, this version reads up to "
                f"{SCHEMA}: run the version that wrote it, or a newer one"
            )
        return StateHeader.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise StateDamaged(
            f"the state header in {where} cannot be read ({field}: {first['msg']}): "
            "restore it from a backup, or begin a new state with spec.firstSync: Adopt"
        ) from None
