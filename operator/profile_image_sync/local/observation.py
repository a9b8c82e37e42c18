"""Looks on while a run reads: people, pictures and HighQ's users pass on to the run as they are.

Apart from `plan`, so that a plan is made by the very code of a run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.worker import connections
from profile_image_sync.worker.directory import Directory, Picture, Window
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.highq.listing import T
from profile_image_sync.worker.people import Account, Person
from profile_image_sync.worker.references import References
from profile_image_sync.worker.token_store import TokenStore


class Observation:
    """What has passed so far. Its two methods take the place of those of `connections`."""

    def __init__(self, saw_picture: Callable[[UUID, str, bytes], None]) -> None:
        """`saw_picture` gets each picture that is read: whose, of which attribute, raw."""
        self.people: dict[UUID, Person] = {}
        self.accounts: list[Account] = []
        self.saw_picture = saw_picture

    def open_directory(self, spec: ProfileImageSyncSpec, references: References) -> Directory:
        """See connections."""
        observation = self

        class Observed(Directory):
            def people(self, window: Window | None = None) -> Iterator[Person]:
                for person in super().people(window):
                    observation.people[person.guid] = person
                    yield person

            def labels(self, guids: Iterable[UUID]) -> dict[UUID, str]:
                return {guid: observation.people[guid].label for guid in guids}

            def picture(self, guid: UUID, attribute: str) -> Picture:
                found = super().picture(guid, attribute)
                if found.raw:
                    observation.saw_picture(guid, attribute, found.raw)
                return found

        return connections.open_directory(spec, references, Observed)

    def open_highq(
        self,
        spec: ProfileImageSyncSpec,
        references: References,
        tokens: TokenStore,
        stop: threading.Event,
        *,
        on_first_refresh: Callable[[], None],
    ) -> HighQClient:
        """See connections."""
        observation = self

        class Observed(HighQClient):
            def read_into(self, begin: Callable[[], T]) -> T:
                observation.accounts, sink = super().read_into(list), begin()
                for account in observation.accounts:
                    sink.append(account)
                return sink

        return connections.open_highq(
            spec, references, tokens, stop, on_first_refresh=on_first_refresh, kind=Observed
        )
