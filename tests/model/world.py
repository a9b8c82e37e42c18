"""What is outside of the sync, as plain dictionaries: people in AD, accounts in HighQ, and a spec."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from string import ascii_lowercase, ascii_uppercase
from uuid import UUID

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.spec import FirstSync, Mode

ASCII_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
THUMB, JPEG = "thumbnailPhoto", "jpegPhoto"


@dataclass(frozen=True)
class ADPerson:
    """A user object; its key in the world is its objectGUID."""

    mail: str | None
    upn: str | None
    images: dict[str, int] = field(default_factory=dict)  # attribute (lower case) -> picture
    in_scope: bool = True
    unit: int = 1  # the organisational unit that they are in

    def image(self, attributes: tuple[str, ...]) -> tuple[str, int] | None:
        """Return attribute and picture: the first present one wins."""
        return next(
            (((a, self.images[a.lower()])) for a in attributes if a.lower() in self.images), None
        )


@dataclass(frozen=True)
class HighQAccount:
    """A user of HighQ; its key in the world is its id."""

    email: str
    active: bool
    created: datetime
    shows: str | None = None  # the picture that people see: "own", "AD 3", or none
    denied: bool = False  # whatever we send is denied, for ever
    deaf: bool = False  # takes what we send, and never answers


@dataclass(frozen=True)
class Settings:
    """As much of a spec as the rules speak of."""

    mode: Mode = Mode.CONTINUOUS
    first_sync: FirstSync = FirstSync.OVERRIDE
    match: tuple[str, ...] = ("mail",)  # attributes of AD that must equal HighQ's email
    attributes: tuple[str, ...] = (THUMB,)
    smallest: int = 48  # image.minSourceSize
    endpoint: Endpoint = Endpoint.AVATAR
    units: tuple[int, ...] = (1,)  # activeDirectory.searchBases
    highq: str = "acme"  # the host's first label
    acknowledge: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def address(self) -> str:
        """The HighQ that a state is bound to."""
        return f"{self.highq}.highq.com/{self.highq}"


@dataclass
class Controller:
    """A domain controller: it numbers whatever changes in its own database."""

    name: str
    invocation: UUID  # of the database: a restored one gets another
    usn: int
    changed: dict[int, int] = field(default_factory=dict)  # person -> number of their last change

    def note(self, guid: int) -> None:
        """Give somebody's change the next number."""
        self.usn += 1
        self.changed[guid] = self.usn

    def restore(self, invocation: UUID) -> None:
        """Bring an older database back; what it lacks is replicated, under new numbers."""
        self.invocation, self.usn = invocation, self.usn // 2
        for guid in [guid for guid, number in self.changed.items() if number > self.usn]:
            self.note(guid)


@dataclass
class World:
    """Everything outside; events change it, runs change what accounts show."""

    people: dict[int, ADPerson] = field(default_factory=dict)
    accounts: dict[int, HighQAccount] = field(default_factory=dict)
    now: datetime = datetime(2026, 5, 4, tzinfo=UTC)
    tells_pictures: bool = True  # whether HighQ's list says who has a picture
    tells_dates: bool = True  # whether it says when a user was made
    controllers: list[Controller] = field(
        default_factory=lambda: [
            Controller("dc1", UUID(int=0xC1), 1000),
            Controller("dc2", UUID(int=0xC2), 5000),
        ]
    )
    layout: int = 0  # of groups and units
    answers: int = 0  # which of them runs read from
    next_guid: int = 1
    next_account: int = 101

    def in_scope(self, settings: Settings) -> dict[int, ADPerson]:
        """Return the people whom the spec speaks of."""
        people = self.people.items()
        return {g: p for g, p in people if p.in_scope and p.unit in settings.units}

    def copy(self) -> World:
        """Return a world that goes its own way from now on; people and accounts are frozen."""
        return replace(self, people=dict(self.people), accounts=dict(self.accounts))

    def add_person(self, person: ADPerson) -> int:
        """Hire somebody."""
        guid, self.next_guid = self.next_guid, self.next_guid + 1
        self.people[guid] = person
        self._changed(guid)
        return guid

    def add_account(
        self,
        email: str,
        *,
        shows: str | None = None,
        active: bool = True,
        number: int | None = None,
    ) -> int:
        """Create a HighQ user; ids grow, unless a number is given."""
        if number is None:
            number, self.next_account = self.next_account, self.next_account + 1
        self.accounts[number] = HighQAccount(email, active, self.now, shows)
        return number

    def change_person(self, guid: int, *, silently: bool = False, **changes: object) -> None:
        """Edit a user object; `silently`: no number shows it, as of groups and of units that are moved."""
        self.people[guid] = replace(self.people[guid], **changes)  # type: ignore[arg-type]
        if silently:
            self.layout += 1
        else:
            self._changed(guid)

    def change_account(self, number: int, **changes: object) -> None:
        """Edit a HighQ user."""
        self.accounts[number] = replace(self.accounts[number], **changes)  # type: ignore[arg-type]

    def later(self, days: float) -> None:
        """Let time pass."""
        self.now += timedelta(days=days)

    def _changed(self, guid: int) -> None:
        for controller in self.controllers:
            controller.note(guid)


def spelled(value: str | None) -> str:
    """Return what is compared: without ASCII case and surrounding blanks."""
    return (value or "").strip().translate(ASCII_LOWER)


def side(picture: int) -> int:
    """Return the pixels of a picture: one in four is small."""
    return 64 if picture % 4 == 3 else 256


def refusal(picture: int, settings: Settings) -> tuple[object, ...]:
    """Return the settings that lead to a refusal for good; empty: it is taken."""
    if side(picture) < settings.smallest:
        return (settings.smallest,)  # ours
    if picture % 5 == 4 and settings.endpoint is Endpoint.AVATAR:
        return (settings.smallest, settings.endpoint)  # HighQ's
    return ()
