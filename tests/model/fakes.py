"""Directory and HighQ at their I/O edges, on a world of dictionaries: what the real run talks to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import md5
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from PIL import Image

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import (
    MissingReference,
    UploadDenied,
    UploadRefused,
    UploadUnconfirmed,
)
from profile_image_sync.worker.directory import Picture, Position, Window
from profile_image_sync.worker.highq.listing import T
from profile_image_sync.worker.images import make_avatar
from profile_image_sync.worker.people import Account, Avatar, Domain, Person, Source
from testkit.pictures import png
from tests.model.world import ADPerson, Settings, World, refusal, side

PICTURES = range(6)
DOMAIN = Domain(UUID(int=0xD0), "corp.example", "DC=corp,DC=example")


@cache
def picture(number: int) -> bytes:
    """Return a picture as the directory holds it."""
    return png(Image.new("RGB", (side(number), side(number)), (number * 20, 99, 255 - number * 20)))


@cache
def digest(number: int) -> bytes:
    """Return the hash of a picture."""
    return md5(picture(number), usedforsecurity=False).digest()


known_avatar = cache(make_avatar)
PICTURE_OF = {digest(number): number for number in PICTURES}
SENT = {known_avatar(picture(n), ImageSettings(min_source_size=1)).data: n for n in PICTURES}


class Closing:
    """Something that is opened for one run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""


class Silence:
    """A logger that says nothing: thousands of runs would fill the screen."""

    def info(self, *_: object, **__: object) -> None:
        """Say nothing."""

    warning = error = info


class OneThread:
    """An executor that does everything at once: a sequence goes the same way each time, and fast."""

    def __init__(self, *_: object, **__: object) -> None:
        """Start no thread."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001  # as the threads of an executor do
            future.set_exception(error)
        return future

    def shutdown(self, **_: object) -> None:
        """There is nothing to wait for."""


@dataclass
class FakeDirectory(Closing):
    """Shows the people of the world, as one domain controller knows them."""

    world: World
    settings: Settings
    spec: ProfileImageSyncSpec
    domain = DOMAIN

    def position(self) -> Position:
        """Return where this domain controller's changes stand."""
        now = self.world.controllers[self.world.answers]
        return Position(now.name, now.invocation, now.usn, str(self.world.layout))

    def people(self, window: Window | None = None) -> Iterator[Person]:
        """Yield everyone in scope; with a window, those in scope whose number is in it."""
        changed = self.world.controllers[self.world.answers].changed
        for guid, person in self.world.in_scope(self.settings).items():
            if not window or changed[guid] >= window.first:
                yield self._person(guid, person)

    def people_by_guid(self, guids: Iterable[UUID]) -> Iterator[Person]:
        """Yield those of these people who are in scope."""
        people = self.world.in_scope(self.settings)
        return (self._person(guid.int, people[guid.int]) for guid in guids if guid.int in people)

    def labels(self, guids: Iterable[UUID]) -> dict[UUID, str]:
        """Return what lists call those of these people who are in scope."""
        return {person.guid: person.label for person in self.people_by_guid(guids)}

    def people_by_value(
        self, values: Iterable[tuple[int, str]], *, images: bool = True
    ) -> Iterator[Person]:
        """Yield everyone in scope who may bear one of these values: a server compares loosely."""
        wanted = {(position, value.strip().casefold()) for position, value in values}
        return (
            person if images else replace(person, source=None, images=())
            for person in self.people()
            if any((n, (v or "").strip().casefold()) in wanted for n, v in enumerate(person.keys))
        )

    def picture(self, guid: UUID, attribute: str) -> Picture:
        """Return the bytes of a picture, with what an upload asks besides."""
        person = self.world.in_scope(self.settings).get(guid.int)
        number = person.images.get(attribute.lower()) if person else None
        if person is None or number is None:
            return Picture((), None, "")
        return Picture(self._keys(person), picture(number), _label(guid.int, person))

    def _person(self, guid: int, person: ADPerson) -> Person:
        attributes = self.spec.active_directory.image_attributes
        image = person.image(attributes)
        return Person(
            guid=UUID(int=guid),
            keys=self._keys(person),
            source=Source(image[0], digest(image[1])) if image else None,
            images=tuple(name for name in attributes if name.lower() in person.images),
            label=_label(guid, person),
            usn=self.world.controllers[self.world.answers].changed[guid],
        )

    def _keys(self, person: ADPerson) -> tuple[str | None, ...]:
        values = {"mail": person.mail, "userPrincipalName": person.upn}
        return tuple(values[rule.active_directory] for rule in self.spec.highq.match)


@dataclass
class FakeHighQ(Closing):
    """Shows the accounts of the world, and takes pictures."""

    world: World
    settings: Settings
    uploads: list[tuple[int, int]] = field(default_factory=list)  # account, picture: attempted
    taken: list[tuple[int, int]] = field(default_factory=list)  # of these
    skipped_accounts = 0
    before_upload: Callable[[int], None] = lambda _attempted: None  # raises what ends the run

    def read_into(self, begin: Callable[[], T]) -> T:
        """Give all users to what `begin` makes."""
        sink = begin()
        for account in self._accounts():
            sink.append(account)
        return sink

    def _accounts(self) -> list[Account]:
        return [
            Account(
                id=number,
                active=account.active,
                email=account.email,
                externalid=None,
                has_picture=account.shows is not None if self.world.tells_pictures else None,
                created=account.created if self.world.tells_dates else None,
            )
            for number, account in self.world.accounts.items()
        ]

    def token_expiry(self) -> None:
        """HighQ did not say."""

    def account_total(self) -> int:
        """Return how many users there are."""
        return len(self.world.accounts)

    def upload(self, account_id: int, avatar: Avatar) -> None:
        """Take a picture, or do not."""
        self.before_upload(len(self.uploads))
        number, account = SENT[avatar.data], self.world.accounts[account_id]
        self.uploads.append((account_id, number))
        if refusal(number, self.settings):
            raise UploadRefused("NotSquare", "HighQ refuses this picture: use another one")
        if account.denied:
            raise UploadDenied("AccessDenied", "denied")
        self.taken.append((account_id, number))
        self.world.accounts[account_id] = replace(account, shows=f"AD {number}")
        if account.deaf:
            raise UploadUnconfirmed("ResponseLost", "no answer came, in spite of retries")


def _label(guid: int, person: ADPerson) -> str:
    return person.mail or person.upn or str(guid)


class NoReferences:
    """There are no Secrets."""

    def read(self, kind: str, name: str, key: str) -> str:
        """Refuse."""
        raise MissingReference(f"{kind} {name}/{key}")
