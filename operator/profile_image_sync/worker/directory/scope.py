"""The scope of a run, checked against the directory: its filter, and a digest of groups and units.

Apart from `directory`, which reads people: a typing error in the scope would show nobody, and a group's new
member or a moved unit changes who is in scope without a change of the people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from profile_image_sync.api.activedirectory import ActiveDirectory
from profile_image_sync.errors import DirectoryMisconfigured, InvalidSpec
from profile_image_sync.worker.directory.entries import LdapEntry
from profile_image_sync.worker.directory.filters import nested_groups_filter, people_filter
from profile_image_sync.worker.directory.paging import pages
from profile_image_sync.worker.directory.session import Session
from profile_image_sync.worker.people import Domain

_UNITS = "(|(objectClass=organizationalUnit)(objectClass=container))"
_GROUP = ("objectGUID", "objectClass", "objectSid", "uSNChanged")


@dataclass(frozen=True, slots=True)
class Scope:
    """Who is read."""

    people: str  # LDAP filter
    layout: (
        str  # changes with a group of the scope, and with the place of a unit below a search base
    )


def read_scope(session: Session, spec: ActiveDirectory, domain: Domain) -> Scope:
    """Return the scope; refuse one that names what does not exist: it would show nobody.

    Raises DirectoryMisconfigured, InvalidSpec, DirectoryUnavailable.
    """
    for index, base in enumerate(spec.search_bases):
        _require_entry(session, domain, base, f"searchBases[{index}]")
    groups = _groups(session, spec, domain)
    sids = [sid for entry in groups for sid in entry.get("objectsid", ())]
    people = people_filter(
        spec.user_filter,
        spec.groups,
        include_disabled=spec.include_disabled,
        primary_groups=[int.from_bytes(sid[-4:], "little") for sid in sids],  # a SID's last part
    )
    if spec.user_filter and (problem := session.filter_error(people)):
        raise InvalidSpec(
            f"spec.activeDirectory.userFilter: {session.server} does not take it ({problem}); correct it"
        )
    units = _entries(session, spec.search_bases, _UNITS, ["objectGUID", "distinguishedName"])
    return Scope(
        people,
        _digest(groups, ("objectguid", "usnchanged")) + _digest(units, ("distinguishedname",)),
    )


def _groups(session: Session, spec: ActiveDirectory, domain: Domain) -> list[LdapEntry]:
    """Return the groups of the spec, and those nested in them."""
    found = []
    for index, group in enumerate(spec.groups):
        entry = _require_entry(session, domain, group, f"groups[{index}]")
        if b"group" not in entry.get("objectclass", []):
            raise DirectoryMisconfigured(
                f"spec.activeDirectory.groups[{index}]: {group!r} is not a group"
            )
        found.append(entry)
    if found:
        base, nested = session.naming_context, nested_groups_filter(spec.groups)
        found += _entries(session, [base], nested, _GROUP)
    return found


def _entries(
    session: Session, bases: Iterable[str], search_filter: str, attributes: Sequence[str]
) -> list[LdapEntry]:
    return [
        entry
        for base in bases
        for page in pages(session, base, search_filter, attributes)
        for entry in page
    ]


def _digest(entries: Iterable[LdapEntry], names: Sequence[str]) -> str:
    lines = sorted(
        {b" ".join(value for name in names for value in entry.get(name, ())) for entry in entries}
    )
    return sha256(b"\n".join(lines)).hexdigest()[:16] if lines else ""


def _require_entry(session: Session, domain: Domain, dn: str, field: str) -> LdapEntry:
    entry = session.read(dn, _GROUP)
    if entry is None:
        raise DirectoryMisconfigured(
            f"spec.activeDirectory.{field}: there is no entry {dn!r} in {domain.name}, or "
            "the account may not see it; correct the name, or let the account read it"
        )
    return entry
