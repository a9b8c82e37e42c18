"""The directory as a run sees it: the domain, the people in scope, one person's picture.

Apart from `session`, which speaks LDAP: this module knows what the spec's scope means, and refuses a
scope that would show nobody because of a typing error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from random import Random
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

import structlog

from profile_image_sync.api.activedirectory import ActiveDirectory
from profile_image_sync.errors import DirectoryMisconfigured, DirectoryUnavailable
from profile_image_sync.worker.directory.changes import Position, Window
from profile_image_sync.worker.directory.connection import ServerAddress, tls_context
from profile_image_sync.worker.directory.details import DETAILS, read_details, time_of
from profile_image_sync.worker.directory.discovery import discover
from profile_image_sync.worker.directory.entries import (
    LdapEntry,
    PersonReader,
    Picture,
    SelectImage,
    only_text,
)
from profile_image_sync.worker.directory.filters import (
    any_filter,
    changed_filter,
    find_filter,
    guid_term,
    people_filter,
    value_terms,
)
from profile_image_sync.worker.directory.paging import pages
from profile_image_sync.worker.directory.scope import Scope, read_scope
from profile_image_sync.worker.directory.session import Credentials, Session, open_session
from profile_image_sync.worker.packed import PackedRows
from profile_image_sync.worker.people import Domain, Person, PersonDetails

log = structlog.get_logger()

OpenSession = Callable[[str], Session]  # takes the URL of the server to prefer
TERMS_A_SEARCH = 50  # of an OR-filter: a domain controller looks each one up in an index
USN = "uSNChanged"

T = TypeVar("T")


class Directory:
    """An open directory: `with Directory.connect(...) as directory`. Not for several threads."""

    def __init__(
        self, open_session: OpenSession, spec: ActiveDirectory, reader: PersonReader
    ) -> None:
        """Open a session; `connect` is simpler."""
        self._open_session = open_session
        self._session = session = open_session("")
        self._spec = spec
        self._reader = reader
        try:
            self.domain = _domain(session)
        except BaseException:
            session.close()
            raise

    @classmethod
    def connect(
        cls,
        spec: ActiveDirectory,
        match_attributes: Sequence[str],
        credentials: Credentials,
        ca_bundle: str | None,
        select_image: SelectImage,
    ) -> Self:
        """Bind to the first server of the spec, or of its domain's DNS, that can be reached.

        `match_attributes` become `Person.keys`, in that order. `ca_bundle` is PEM; None: the
        system's store. `select_image` picks one of several images in an attribute, in any order.
        Raises InvalidSpec, DirectoryUntrusted, BindRefused, DirectoryMisconfigured, DirectoryUnavailable.
        """
        people_filter(
            spec.user_filter, (), include_disabled=False
        )  # refused before anything is sent
        reader = PersonReader(match_attributes, spec.image_attributes, select_image)
        if spec.domain:
            servers = discover(spec.domain, Random())  # noqa: S311  # spreads load, keeps no secret
        else:
            servers = [ServerAddress.parse(url, i) for i, url in enumerate(spec.servers or ())]
        context = tls_context(ca_bundle)

        def open_preferring(url: str) -> Session:
            ordered = sorted(servers, key=lambda server: server.url != url)
            return open_session(ordered, credentials, context)

        return cls(open_preferring, spec, reader)

    def server(self) -> tuple[str, datetime | None]:
        """Return the server's URL, and its clock (UTC) if it tells."""
        root = self._session.read("", ["currentTime"]) or {}
        return self._session.server, time_of(only_text(root.get("currenttime")))

    def position(self) -> Position | None:
        """Return where the changes of the server stand; ask before `people`, to miss none made meanwhile.

        None when the server does not tell. Raises what `people` raises for a scope that is not there.
        """
        try:
            position = self._session.position()
        except DirectoryMisconfigured as error:
            log.warning("changes of the directory cannot be followed", problem=str(error))
            return None
        return replace(position, layout=self._scope.layout)

    def people(self, window: Window | None = None) -> Iterator[Person]:
        """Yield everyone in scope once, in no order; with a window, those in scope whose entry changed in it.

        A window shows neither who left the scope nor who came into it without a change of their entry (a
        group's new member, a moved unit): only a full sweep does.

        Raises DirectoryMisconfigured or InvalidSpec when the scope names what is not there, and
        DirectoryUnavailable when the answer breaks off: then nothing of it may be used.
        """
        people = self._scope.people
        if window:
            people = changed_filter(people, window.first)
        return self._search(people, [*self._reader.attributes, USN])

    def people_by_guid(self, guids: Iterable[UUID]) -> Iterator[Person]:
        """Yield those of these people who are in scope. Raises DirectoryUnavailable."""
        return self._people_by(map(guid_term, guids), self._reader.attributes)

    def labels(self, guids: Iterable[UUID]) -> dict[UUID, str]:
        """Return what lists call those of these people who are in scope. Raises DirectoryUnavailable."""
        people = self._people_by(map(guid_term, guids), self._reader.attributes_without_images)
        return {person.guid: person.label for person in people}

    def people_by_value(
        self, values: Iterable[tuple[int, str]], *, images: bool = True
    ) -> Iterator[Person]:
        """Yield everyone in scope who may bear one of these values: (position in `Person.keys`, value).

        It may be more people, never fewer: servers compare more loosely than we do. Some may come twice.
        Not `images`: without what only images tell.
        """
        names = self._reader.match_attributes
        terms = (t for key, value in values for t in value_terms(names[key], value))
        wanted = self._reader.attributes if images else self._reader.attributes_without_images
        return self._people_by(terms, wanted)

    def picture(self, guid: UUID, attribute: str) -> Picture:
        """Return a person's picture, with what else an upload asks of them."""
        entry = self._read(f"<GUID={guid}>", self._reader.attributes_of_picture(attribute))
        if not entry:
            return Picture((), None, "")
        values = entry.get(attribute.lower())
        return Picture(
            keys=self._reader.keys(entry, guid),
            raw=self._reader.picture(values) if values else None,
            label=self._reader.label(entry, guid),
        )

    def details(self) -> dict[UUID, PersonDetails]:
        """Return name, department and manager of everyone in scope, as far as they can be read.

        Raises what `people` raises.
        """
        people = self._scope.people
        entries = (
            entry
            for base in self._bases
            for page in pages(self._session, base, people, DETAILS)
            for entry in page
        )
        return read_details(entries, mail_of=lambda dn: self._read(dn, ["mail"]))

    def find(self, text: str) -> list[Person]:
        """Return the people, also out of scope, with this mail, UPN, account name or objectGUID."""
        search_filter = find_filter(text)
        base, attributes = self._session.naming_context, self._reader.attributes
        return [
            self._reader.person(entry)
            for page in pages(self._session, base, search_filter, attributes)
            for entry in page
        ]

    def close(self) -> None:
        """Unbind."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _people_by(self, terms: Iterable[str], attributes: Sequence[str]) -> Iterator[Person]:
        """Yield the people in scope whom one of these terms fits."""
        left = iter(terms)
        while some := list(islice(left, TERMS_A_SEARCH)):
            search_filter = any_filter(self._scope.people, some)

            def search(search_filter: str = search_filter) -> list[Person]:
                return list(self._search(search_filter, attributes))

            yield from self._reopening(search)

    def _search(self, search_filter: str, attributes: Sequence[str]) -> Iterator[Person]:
        bases = self._bases
        seen = PackedRows(16, 16) if len(bases) > 1 else None  # bases may overlap
        for base in bases:
            for page in pages(self._session, base, search_filter, attributes):
                while page:
                    person = self._reader.person(page.pop())  # and its picture goes
                    if seen is not None:
                        if person.guid.bytes in seen:
                            continue
                        seen.add(person.guid.bytes)
                    yield person

    def _read(self, dn: str, attributes: Sequence[str]) -> LdapEntry | None:
        return self._reopening(lambda: self._session.read(dn, attributes))

    def _reopening(self, read: Callable[[], T]) -> T:
        """Read; if the connection is lost, open another one and read once more.

        Servers and firewalls cut connections that are idle, as ours is while HighQ's users are listed or
        its rate limit is waited for. The same server is asked first.
        """
        try:
            return read()
        except DirectoryUnavailable as error:
            log.warning("directory connection lost, opening another", problem=str(error))
            self._session.close()
            self._session = self._open_session(self._session.server)
            if _domain(self._session) != self.domain:
                raise DirectoryMisconfigured(
                    f"{self._session.server} serves another domain than {self.domain.name}: "
                    "spec.activeDirectory.servers must all serve one domain"
                ) from error
            return read()

    @property
    def _bases(self) -> Sequence[str]:
        return self._spec.search_bases or (self._session.naming_context,)

    @cached_property
    def _scope(self) -> Scope:
        return read_scope(self._session, self._spec, self.domain)


def _domain(session: Session) -> Domain:
    entry = session.read(session.naming_context, ["objectGUID"])
    if not entry or not entry.get("objectguid"):
        raise DirectoryMisconfigured(
            f"{session.server} does not show the objectGUID of its domain; let the account that "
            "spec.activeDirectory.credentialsSecretRef names read it"
        )
    parts = session.naming_context.split(",")  # DC=corp,DC=example: a DNS name needs no escapes
    name = ".".join(part.partition("=")[2] for part in parts)
    guid = UUID(bytes_le=entry["objectguid"][0])
    return Domain(guid=guid, name=name.lower(), naming_context=session.naming_context)
