"""Writes directory entries as LDIF (RFC 2849), to be loaded before the domain controller starts."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping

from ldap3.utils.dn import escape_rdn

from testkit.people import SamplePerson

Value = str | bytes

ACCOUNT_ENABLED = "544"  # a normal account that needs no password
ACCOUNT_DISABLED = "546"


def record(dn: str, attributes: Mapping[str, Iterable[Value]]) -> str:
    """Return one entry to be added."""
    lines = [_line("dn", dn)]
    lines += [_line(name, value) for name, values in attributes.items() for value in values]
    return "\n".join(lines) + "\n\n"


def people_records(people: Iterable[SamplePerson], organizational_unit: str) -> Iterator[str]:
    """Return an entry for each person, below `organizational_unit`."""
    for person in people:
        yield record(dn_below(organizational_unit, person.name), person_attributes(person))


def person_attributes(person: SamplePerson) -> dict[str, list[Value]]:
    """Return what an administrator would enter for this person."""
    attributes: dict[str, list[Value]] = {
        "objectClass": ["user"],
        "sAMAccountName": [person.account],
        "displayName": [person.name],
        "userPrincipalName": [person.upn],
        "userAccountControl": [ACCOUNT_ENABLED if person.enabled else ACCOUNT_DISABLED],
    }
    if person.mail:
        attributes["mail"] = [person.mail]
        attributes["proxyAddresses"] = [f"SMTP:{person.mail}", f"smtp:{person.upn}"]
    return attributes | {name: list(values) for name, values in person.photos.items()}


def dn_below(parent: str, name: str) -> str:
    """Return the DN of the entry called `name`, whatever characters the name has."""
    return f"CN={escape_rdn(name)},{parent}"


def _line(name: str, value: Value) -> str:
    data = value.encode() if isinstance(value, str) else value
    return f"{name}:: {base64.b64encode(data).decode()}"
