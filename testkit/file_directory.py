"""An Active Directory for a trial: an LDAP server (TLS) whose people are a JSON file, read at each search.

Without root and without containers, but with real LDAP: filters, paging and attribute lists are honoured.
`python -m testkit.file_directory --people FILE --certificate FILE --key FILE` prints its address.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from testkit.ldap_server import (
    DOMAIN_GUID,
    NAMING_CONTEXT,
    SEARCH,
    SEARCH_DONE,
    SUBTREE,
    Attributes,
    ScriptedClient,
    ScriptedLdapServer,
    _entry,
    _paging,
    _parts,
    _result,
)
from testkit.people import SamplePerson

AND, OR, NOT, EQUALITY, AT_LEAST, PRESENT, EXTENSIBLE = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5, 0x87, 0xA9
USN, SETTINGS = "uSNChanged", b"CN=NTDS Settings,CN=DC1"
PEOPLE_UNIT = b"CN=Users," + NAMING_CONTEXT
_PEOPLE_TYPE, _ENABLED, _DISABLED = b"805306368", b"512", b"514"


def to_attributes(person: SamplePerson, number: int) -> dict[str, list[bytes]]:
    """Return the attributes that Active Directory holds of a person."""
    attributes = {
        "objectGUID": [UUID(int=number).bytes_le],
        "sAMAccountType": [_PEOPLE_TYPE],
        "userAccountControl": [_ENABLED if person.enabled else _DISABLED],
        "sAMAccountName": [person.account.encode()],
        "userPrincipalName": [person.upn.encode()],
        "displayName": [person.name.encode()],
        "distinguishedName": [_dn(person.account)],
        **{name: list(values) for name, values in person.photos.items()},
    }
    optional = {"mail": person.mail, "department": person.department}
    attributes |= {name: [text.encode()] for name, text in optional.items() if text}
    return attributes | ({"manager": [_dn(person.manager)]} if person.manager else {})


def _dn(account: str) -> bytes:
    return f"CN={account},".encode() + PEOPLE_UNIT


def write_people(file: Path, people: Iterable[Attributes]) -> None:
    """Write the people whom the server shows from now on."""
    encoded = [
        {
            name: [base64.b64encode(value).decode() for value in values]
            for name, values in each.items()
        }
        for each in people
    ]
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(encoded))
    unfinished.replace(file)


def read_people(file: Path) -> list[dict[str, list[bytes]]]:
    """Read what `write_people` wrote."""
    return [
        {name: [base64.b64decode(value) for value in values] for name, values in each.items()}
        for each in json.loads(file.read_text())
    ]


class _PeopleFile:
    """The file as it is now, parsed once for each time that it was written; changes are numbered."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.invocation = uuid4()  # the numbers are this process' own
        self.usn = 10_000
        self._version = (0, 0)
        self._by_guid: dict[bytes, Attributes] = {}
        self._found: tuple[bytes, list[Attributes]] = (b"", [])  # a filter, and who fits

    def by_guid(self) -> Mapping[bytes, Attributes]:
        """Return everyone, in the order of the file."""
        with self._lock:
            status = self._file.stat()
            version = (status.st_ino, status.st_mtime_ns)
            if version != self._version:
                people = {each["objectGUID"][0]: each for each in read_people(self._file)}
                self._by_guid = {
                    guid: self._numbered(each, self._by_guid.get(guid))
                    for guid, each in people.items()
                }
                self._version, self._found = version, (b"", [])
            return self._by_guid

    def _numbered(self, person: Attributes, before: Attributes | None) -> Attributes:
        if before and {**person, USN: before[USN]} == before:
            return before
        self.usn += 1
        return {**person, USN: [str(self.usn).encode()]}

    def matching(self, search_filter: tuple[int, bytes]) -> Sequence[Attributes]:
        """Return who fits a filter; the pages of a search ask for the same one."""
        people, (tag, body) = self.by_guid().values(), search_filter
        if self._found[0] != bytes([tag]) + body:
            found = [each for each in people if _matches(search_filter, _lowered(each))]
            self._found = (bytes([tag]) + body, found)
        return self._found[1]


class _FileClient(ScriptedClient):
    """One connection: answers searches from the file."""

    def __init__(self, people: _PeopleFile, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._people = people

    def _answer(self, message: bytes, operation: int, body: bytes, controls: bytes) -> bool:
        if operation != SEARCH:
            return super()._answer(message, operation, body, controls)
        (_, base), (_, scope), _, _, _, _, search_filter, (_, wanted) = _parts(body)
        names = {name.decode().lower() for _, name in _parts(wanted)}
        if scope[0] == SUBTREE:
            self._found(message, search_filter, names, controls)
            return True
        for entry in self._base(base):
            self._send(message, _entry(_selected(entry, names)))
        self._send(message, _result(SEARCH_DONE, 0))
        return True

    def _base(self, base: bytes) -> Iterator[Attributes]:
        if not base:
            now = datetime.now(UTC).strftime("%Y%m%d%H%M%S.0Z").encode()
            self._people.by_guid()
            usn = str(self._people.usn).encode()
            changes = {"dnsHostName": [b"dc1.ad.test"], "highestCommittedUSN": [usn]}
            changes["dsServiceName"] = [SETTINGS]
            yield {"currentTime": [now], **changes, **self._script.root}
        elif base == SETTINGS:
            yield {"invocationId": [self._people.invocation.bytes_le]}
        elif base.lower().startswith(b"<guid="):
            found = self._people.by_guid().get(UUID(base[6:-1].decode()).bytes_le)
            yield from [found] if found else []
        elif base.lower() in (NAMING_CONTEXT.lower(), PEOPLE_UNIT.lower()):
            yield {"objectGUID": [DOMAIN_GUID.bytes_le], "objectClass": [b"top"]}
        else:
            people = self._people.by_guid().values()
            yield from (each for each in people if base in each["distinguishedName"])

    def _found(
        self, message: bytes, search_filter: tuple[int, bytes], names: set[str], controls: bytes
    ) -> None:
        found = self._people.matching(search_filter)
        rows, start = _paging_of(controls)
        for entry in found[start : start + rows]:
            self._send(message, _entry(_selected(entry, names)))
        end = start + rows
        cookie = str(end).encode() if end < len(found) else b""
        self._send(message, _result(SEARCH_DONE, 0), _paging(cookie))


def _selected(entry: Attributes, names: set[str]) -> Attributes:
    return {name: values for name, values in entry.items() if name.lower() in names}


def _lowered(entry: Attributes) -> Attributes:
    return {name.lower(): values for name, values in entry.items()}


def _matches(node: tuple[int, bytes], values: Attributes) -> bool:
    """Tell whether a filter fits values by lower-case name."""
    tag, body = node
    if tag in (AND, OR):
        return (all if tag == AND else any)(_matches(each, values) for each in _parts(body))
    if tag == NOT:
        return not _matches(next(_parts(body)), values)
    if tag == PRESENT:
        return body.decode().lower() in (*values, "objectclass")
    parts = list(_parts(body))
    if tag == EQUALITY:
        (_, name), (_, value) = parts
        if name.lower() == b"objectguid":
            return value in values["objectguid"]
        return value.lower() in [each.lower() for each in values.get(name.decode().lower(), ())]
    if tag == AT_LEAST:  # of numbers
        (_, name), (_, value) = parts
        return any(int(each) >= int(value) for each in values.get(name.decode().lower(), ()))
    if tag == EXTENSIBLE:  # of the rules, only the bits of userAccountControl are known
        (_, _, (_, value), *_) = parts
        return any(int(each) & int(value) for each in values["useraccountcontrol"])
    raise NotImplementedError(f"filter {tag:#x}")


def _paging_of(controls: bytes) -> tuple[int, int]:
    """Return how many entries a page may have, and at which one it begins."""
    for _, control in _parts(controls):
        fields = list(_parts(control))
        if fields[0][1] == b"1.2.840.113556.1.4.319":
            (_, value) = next(_parts(fields[-1][1]))
            (_, rows), (_, cookie) = _parts(value)
            return int.from_bytes(rows, "big"), int(cookie or b"0")
    return sys.maxsize, 0


def serve(
    people: Path, certificate: Path, key: Path, address: str = "127.0.0.1"
) -> ScriptedLdapServer:
    """Return a server of this file's people; use it in `with`."""
    client = partial(_FileClient, _PeopleFile(people))
    return ScriptedLdapServer(certificate, key, client=client, address=address)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m testkit.file_directory")
    for option in ("--people", "--certificate", "--key"):
        parser.add_argument(option, type=Path, required=True)
    options = parser.parse_args(arguments)
    with serve(options.people, options.certificate, options.key) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
