"""The state's header: what a sync remembers besides its people, as one small JSON document.

The controller makes it, once; the worker updates it, after the shards it speaks of. A reader keeps the
fields that it does not know, so that an older worker loses nothing of a newer one's. No I/O here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from profile_image_sync.api.model import ApiModel, Count, first_problem
from profile_image_sync.api.spec import FirstSync
from profile_image_sync.errors import StateDamaged, StateMismatch

SCHEMA = 2  # 1: the first delivery; read and carried over
MAX_SHARDS = 256
MAX_HANDLED_REQUESTS = 16
MAX_SWEEPS = 8
MAX_SPENT = 32
MAX_CURSORS = 16

Version = Annotated[int, Field(ge=1)]


class _Kept(ApiModel):
    """A part of the header: fields that it does not know are written back."""

    model_config = ConfigDict(extra="allow")


class Sweep(_Kept):
    """What one full sweep of the directory counted: the measure of later ones' brakes."""

    people: Count
    with_image: Count = 0  # people with an image in any attribute asked for
    images: Mapping[str, Count]  # attribute asked for -> people with an image in it
    matched: Count = 0  # people with an image and an active HighQ user


class PendingBrake(_Kept):
    """A brake that stopped a run and waits for `safety.acknowledge`."""

    id: str
    figures: Mapping[str, Count]  # by cause, as they were when the id was given


class CompletedFirstSync(_Kept):
    """What was so when the first sync was complete: it decides for ever whose picture is protected."""

    policy: FirstSync  # spec.firstSync at that time
    time: AwareDatetime
    highest_account_id: int  # of all HighQ users at that time; 0: there were none


class DirectoryCursor(_Kept):
    """How far the changes of one domain controller's database have been read."""

    server: str  # dnsHostName
    invocation: UUID  # of the database: a restored one gets another
    usn: Annotated[int, Field(ge=0, lt=2**63)]  # all changes up to this one
    layout: str = ""  # digest of the groups and units that decide who is in scope
    seen: str = ""  # digest of the last changes before it: one that becomes visible late alters it


class Totals(_Kept):
    """Everyone in scope, as the last run that went to its end counted them."""

    people: Count
    reasons: Mapping[str, Mapping[str, Count]]  # by kind of the report's lists, then by reason


class ListedAccounts(_Kept):
    """HighQ's users, as they were listed last."""

    total: Count
    highest_id: int  # 0: there were none
    all_retried: AwareDatetime  # when everyone who waits was last held against a list


class StoredRows(_Kept):
    """How much the shards hold."""

    people: Count
    bytes: Count


class StateHeader(_Kept):
    """What binds the shards together. Written last, so that it never speaks of what is not there.

    `revisions` holds one number a shard, as of this header's writing: 0 means that the shard has not
    been written yet. Their number is the number of shards, a power of two.
    """

    schema_version: int = SCHEMA
    id: UUID  # random; status, shards and reports echo it
    replaces: UUID | None = (
        None  # the lost state whose loss was acknowledged when this one was made
    )
    domain: UUID | None = None  # objectGUID of the domain; set by the first run that reaches it
    highq: str | None = None  # "host/path"; set by the first run that reaches it
    image_attributes: tuple[str, ...] | None = None  # of the last run that recorded anything
    image_attributes_version: Version = 1  # grows with each change of the list
    match: tuple[str, ...] | None = None  # of the last run, as "mail=email"
    match_version: Version = 1  # grows with each change of the rules
    first_sync_completed: bool = False
    first_sync: CompletedFirstSync | None = None  # None: incomplete, or first delivery's
    sweeps: Annotated[tuple[Sweep, ...], Field(max_length=MAX_SWEEPS)] = ()  # the newest last
    brake: PendingBrake | None = None
    spent_acknowledgements: Annotated[tuple[str, ...], Field(max_length=MAX_SPENT)] = ()
    handled_requests: Annotated[tuple[str, ...], Field(max_length=MAX_HANDLED_REQUESTS)] = ()
    scope: str | None = None  # fingerprint of the spec that the last full sweep went by
    last_full_sweep: AwareDatetime | None = None
    cursors: Annotated[tuple[DirectoryCursor, ...], Field(max_length=MAX_CURSORS)] = ()
    totals: Totals | None = None
    accounts: ListedAccounts | None = None
    stored: StoredRows | None = None
    counted_revisions: int | None = None  # sum of the revisions that the fields above speak of
    revisions: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = (0,)

    @model_validator(mode="before")
    @classmethod
    def _carry_schema_1_over(cls, document: Any) -> Any:
        """Read the first delivery's header: it remembered one sweep only."""
        if not isinstance(document, dict) or document.get("schemaVersion") != 1:
            return document
        carried = {**document, "schemaVersion": SCHEMA}
        sweep = carried.pop("sweep", None)
        return carried | {"sweeps": [sweep] if sweep else []}

    @field_validator("revisions")
    @classmethod
    def _a_power_of_two(cls, revisions: tuple[int, ...]) -> tuple[int, ...]:
        if len(revisions).bit_count() != 1 or len(revisions) > MAX_SHARDS:
            raise ValueError(f"{len(revisions)} shards: not a power of two up to {MAX_SHARDS}")
        return revisions

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self.revisions)

    @property
    def counted(self) -> bool:
        """Tell whether totals and cursors speak of the shards as they are.

        Not so after a killed run, a state command, or a run of a version that does not know them.
        """
        return self.counted_revisions == sum(self.revisions)

    def having_handled(self, request: str) -> Self:
        """Return the header with this run request as the newest handled one; the oldest fall out."""
        handled = _newest(self.handled_requests, [request], MAX_HANDLED_REQUESTS)
        return self.model_copy(update={"handled_requests": handled})

    def with_spent(self, ids: Iterable[str]) -> Self:
        """Return the header with these acknowledgements as spent ones; the oldest fall out."""
        spent = _newest(self.spent_acknowledgements, ids, MAX_SPENT)
        return self.model_copy(update={"spent_acknowledgements": spent})

    def with_lists(self, image_attributes: Iterable[str], match: Iterable[str]) -> Self:
        """Return the header for these lists of the spec; an edit, but for spelling, is a new version."""
        update: dict[str, Any] = {}
        for field, now in (("image_attributes", image_attributes), ("match", match)):
            former, present = getattr(self, field), tuple(now)
            edited = former is not None and _lower(former) != _lower(present)
            version = getattr(self, f"{field}_version") + edited
            update |= {field: present, f"{field}_version": version}
        return self.model_copy(update=update)

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


class _HeaderVersion(BaseModel):
    """As much of a header as every version can read."""

    schema_version: Annotated[int, Field(alias="schemaVersion")]


def new_header(id: UUID, replaces: UUID | None = None) -> StateHeader:  # noqa: A002 - the field's own name
    """Return the header of a state in which nothing has happened yet."""
    return StateHeader(id=id, replaces=replaces)


def encode_header(header: StateHeader) -> bytes:
    """Return the header as UTF-8 JSON, one line."""
    return header.model_dump_json(by_alias=True).encode() + b"\n"


def decode_header(data: bytes, where: str) -> StateHeader:
    """Read a header back; `where` names its store in messages, e.g. "folder /srv/acme".

    Raises StateMismatch when a newer version wrote it, StateDamaged when it cannot be read.
    """
    try:
        version = _HeaderVersion.model_validate_json(data).schema_version
        if version > SCHEMA:
            raise StateMismatch(
                f"the state header in {where} has schema {version}, this version reads up to "
                f"{SCHEMA}: run the version that wrote it, or a newer one"
            )
        return StateHeader.model_validate_json(data)
    except ValidationError as error:
        raise StateDamaged(
            f"the state header in {where} cannot be read ({first_problem(error)}): restore it from a "
            "backup or with `profile-image-sync state import`, or begin anew with "
            "spec.state.acknowledgeLoss: the state's id, which status.state.id and every report tell"
        ) from None


def _lower(names: tuple[str, ...]) -> list[str]:
    return [name.lower() for name in names]


def _newest(known: tuple[str, ...], added: Iterable[str], most: int) -> tuple[str, ...]:
    added = tuple(dict.fromkeys(added))
    return (*(each for each in known if each not in added), *added)[-most:]
