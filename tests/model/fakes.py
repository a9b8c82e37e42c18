"""Directory and HighQ at their I/O edges, on a world of dictionaries: what the real run talks to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import md5
from types import TracebackType
from typing import Self
from uuid import UUID

from PIL import Image

from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import (
    HighQUnavailable,
    MissingReference,
    UploadDenied,
    UploadRefused,
    UploadUnconfirmed,
)
from profile_image_sync.worker.images import make_avatar
from profile_image_sync.worker.people import Account, Avatar, Domain, Person, Source
from testkit.pictures import png
from tests.model.world import Settings, World, refusal, side

PICTURES = range(12)
DOMAIN = Domain(UUID(int=0xD0), "corp.example", "DC=corp,DC=example")


@cache
def picture(number: int) -> bytes:
    """Return a picture as the directory holds it."""
    return png(Image.new("RGB", (side(number), side(number)), (number * 20, 99, 255 - number * 20)))


@cache
def digest(number: int) -> bytes:
    """Return the hash of a picture."""
    return md5(picture(number), usedforsecurity=False).digest()


PICTURE_OF = {digest(number): number for number in PICTURES}
SENT = {make_avatar(picture(n), ImageSettings(min_source_size=1)).data: n for n in PICTURES}


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


@dataclass
class FakeDirectory(Closing):
    """Shows the people of the world."""

    world: World
    spec: ProfileImageSyncSpec
    domain = DOMAIN

    def people(self) -> Iterator[Person]:
        """Yield everyone in scope."""
        attributes = self.spec.active_directory.image_attributes
        for guid, person in self.world.people.items():
            if not person.in_scope:
                continue
            image = person.image(attributes)
            values = {"mail": person.mail, "userPrincipalName": person.upn}
            yield Person(
                guid=UUID(int=guid),
                keys=tuple(values[rule.active_directory] for rule in self.spec.highq.match),
                source=Source(image[0], digest(image[1])) if image else None,
                images=tuple(name for name in attributes if name.lower() in person.images),
                label=person.mail or person.upn or str(guid),
            )

    def picture(self, guid: UUID, attribute: str) -> bytes | None:
        """Return the bytes of a picture."""
        person = self.world.people.get(guid.int)
        number = person.images.get(attribute.lower()) if person and person.in_scope else None
        return None if number is None else picture(number)


@dataclass
class FakeHighQ(Closing):
    """Shows the accounts of the world, and takes pictures."""

    world: World
    settings: Settings
    uploads: list[tuple[int, int]] = field(default_factory=list)  # account, picture: attempted
    down_after: int | None = None  # uploads
    killed_after: int | None = None

    def accounts(self) -> list[Account]:
        """Return all users."""
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

    def upload(self, account_id: int, avatar: Avatar) -> None:
        """Take a picture, or do not."""
        if self.killed_after is not None and len(self.uploads) >= self.killed_after:
            raise KeyboardInterrupt
        if self.down_after is not None and len(self.uploads) >= self.down_after:
            raise HighQUnavailable("down")
        number, account = SENT[avatar.data], self.world.accounts[account_id]
        self.uploads.append((account_id, number))
        if refusal(number, self.settings):
            raise UploadRefused("NotSquare", "HighQ refuses it")
        if account.denied:
            raise UploadDenied("AccessDenied", "denied")
        self.world.accounts[account_id] = replace(account, shows=f"AD {number}")
        if account.deaf:
            raise UploadUnconfirmed("ResponseLost", "no answer came, in spite of retries")


class NoReferences:
    """There are no Secrets."""

    def read(self, kind: str, name: str, key: str) -> str:
        """Refuse."""
        raise MissingReference(f"{kind} {name}/{key}")
