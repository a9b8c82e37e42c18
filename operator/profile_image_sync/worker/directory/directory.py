"""The directory as a run sees it: the domain, the people in scope, one person's picture.

Apart from `session`, which speaks LDAP: this module knows what the spec's scope means, and refuses a
scope that would show nobody because of a typing error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from random import Random
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from profile_image_sync.api.activedirectory import ActiveDirectory
from profile_image_sync.errors import DirectoryMisconfigured, DirectoryUnavailable, InvalidSpec
from profile_image_sync.worker.directory.changes import Position, Window
from profile_image_sync.worker.directory.connection import ServerAddress, tls_context
from profile_image_sync.worker.directory.details import DETAILS, read_details, time_of
from profile_image_sync.worker.directory.discovery import discover
from profile_image_sync.worker.directory.entries import (
    LdapEntry,
    PersonReader,
    SelectImage,
    only_text,
)
from profile_image_sync.worker.directory.filters import (
    changed_filter,
    find_filter,
    nested_groups_filter,
    people_filter,
)
from profile_image_sync.worker.directory.paging import pages
from profile_image_sync.worker.directory.session import Credentials, Session, open_session
from profile_image_sync.worker.people import Domain, Person, PersonDetails

log = structlog.get_logger()

OpenSession = Callable[[str], Session]  # takes the URL of the server to prefer


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

    def position(self) -> Position:
        """Return where the changes of the server stand; ask before `people`, to miss none made meanwhile."""
        return self._session.position()

    def people(self, window: Window | None = None) -> Iterator[Person]:
        """Yield everyone in scope once, in no order; with a window, those in scope whose entry changed in it.

        A window shows neither who left the scope nor who came into it without a change of their entry (a
        group's new member, a moved unit): only a full sweep does.

        Raises DirectoryMisconfigured or InvalidSpec when the scope names what is not there, and
        DirectoryUnavailable when the answer breaks off: then nothing of it may be used.
        """
        people = self._scope_filter()
        bases = self._spec.search_bases or (self._session.naming_context,)
        seen: set[UUID] | None = set() if len(bases) > 1 else None  # bases may overlap
        search_filter = changed_filter(people, window.first) if window else people
        for base in bases:
            for page in pages(self._session, base, search_filter, self._reader.attributes):
                while page:
                    person = self._reader.person(page.pop())  # and its picture goes
                    if seen is not None:
                        if person.guid in seen:
                            continue
                        seen.add(person.guid)
                    yield person

    def picture(self, guid: UUID, attribute: str) -> bytes | None:
        """Return a person's picture, raw; None when they, or it, are no longer there."""
        entry = self._read(f"<GUID={guid}>", [attribute])
        values = entry.get(attribute.lower()) if entry else None
        return self._reader.picture(values) if values else None

    def details(self) -> dict[UUID, PersonDetails]:
        """Return name, department and manager of everyone in scope, as far as they can be read.

        Raises what `people` raises.
        """
        bases = self._spec.search_bases or (self._session.naming_context,)
        people = self._scope_filter()
        entries = (
            entry
            for base in bases
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

    def _read(self, dn: str, attributes: Sequence[str]) -> LdapEntry | None:
        """Read an entry; if the connection is lost, open another one and read once more.

        Servers and firewalls cut connections that are idle, as ours is while HighQ's users are listed or
        its rate limit is waited for. The same server is asked first.
        """
        try:
            return self._session.read(dn, attributes)
        except DirectoryUnavailable as error:
            log.warning("directory connection lost, opening another", problem=str(error))
            self._session.close()
            self._session = self._open_session(self._session.server)
            if _domain(self._session) != self.domain:
                raise DirectoryMisconfigured(
                    f"{self._session.server} serves another domain than {self.domain.name}: "
                    "spec.activeDirectory.servers must all serve one domain"
                ) from error
            return self._session.read(dn, attributes)

    def _scope_filter(self) -> str:
        """Return the filter of the scope; refuse one that names what does not exist: it would show nobody."""
        spec = self._spec
        for index, base in enumerate(spec.search_bases):
            self._require_entry(base, f"searchBases[{index}]")
        people = people_filter(
            spec.user_filter,
            spec.groups,
            include_disabled=spec.include_disabled,
            primary_groups=self._relative_ids_of_groups(),
        )
        if spec.user_filter and (problem := self._session.filter_error(people)):
            raise InvalidSpec(
                f"spec.activeDirectory.userFilter: {self._session.server} does not take it "
                f"({problem}); correct it"
            )
        return people

    def _relative_ids_of_groups(self) -> list[int]:
        """Return the relative ids of the groups of the spec, and of those nested in them."""
        groups, found = self._spec.groups, []
        for index, group in enumerate(groups):
            entry = self._require_entry(group, f"groups[{index}]")
            if b"group" not in entry.get("objectclass", []):
                raise DirectoryMisconfigured(
                    f"spec.activeDirectory.groups[{index}]: {group!r} is not a group"
                )
            found.append(entry)
        if groups:
            base, nested = self._session.naming_context, nested_groups_filter(groups)
            for page in pages(self._session, base, nested, ["objectGUID", "objectSid"]):
                found += page
        sids = [sid for entry in found for sid in entry.get("objectsid", ())]
        return [int.from_bytes(sid[-4:], "little") for sid in sids]  # the last part of a SID

    def _require_entry(self, dn: str, field: str) -> LdapEntry:
        """Return an entry that the spec names: its object classes, and its SID if it has one."""
        entry = self._session.read(dn, ["objectClass", "objectSid"])
        if entry is None:
            raise DirectoryMisconfigured(
                f"spec.activeDirectory.{field}: there is no entry {dn!r} in {self.domain.name}, or "
                "the account may not see it; correct the name, or let the account read it"
            )
        return entry


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
