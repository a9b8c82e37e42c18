"""Changes a directory the way an administrator does, over LDAPS.

People and groups are known by their objectGUID, so a handle stays good after a rename or a move.
"""

from __future__ import annotations

import ssl
import subprocess
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from ldap3 import (
    BASE,
    LEVEL,
    MODIFY_ADD,
    MODIFY_REPLACE,
    NONE,
    SUBTREE,
    Connection,
    Server,
    Tls,
)
from ldap3.core.exceptions import LDAPNoSuchObjectResult
from ldap3.utils.dn import escape_rdn

from testkit.people import SamplePerson
from testkit.samba import provision
from testkit.samba.ldif import Value, dn_below, person_attributes

TREE_DELETE = ("1.2.840.113556.1.4.805", True, None)
Photos = bytes | Sequence[bytes] | None


class Administrator:
    """A signed-in administrator of one domain."""

    def __init__(
        self, host: str, ca_file: Path, folder: Path | None = None, port: int = 636
    ) -> None:
        """Bind over LDAPS; `folder` is the domain controller's, for what only its own tools do."""
        self._folder = folder
        tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(ca_file))
        server = Server(host, port=port, use_ssl=True, get_info=NONE, tls=tls)
        self._connection: Any = Connection(  # hardly annotated
            server,
            provision.ADMINISTRATOR,
            provision.ADMINISTRATOR_PASSWORD,
            raise_exceptions=True,
            check_names=False,
            auto_referrals=False,
            receive_timeout=30,
        )
        with warnings.catch_warnings():  # ldap3 calls ssl.match_hostname
            warnings.simplefilter("ignore", DeprecationWarning)
            self._connection.bind()

    def close(self) -> None:
        """Sign out."""
        self._connection.unbind()

    def add_organizational_unit(self, name: str, parent: str = provision.NAMING_CONTEXT) -> str:
        """Make an organizational unit and return its DN: a place for one test's people."""
        dn = f"OU={escape_rdn(name)},{parent}"
        self._connection.add(dn, "organizationalUnit")
        return dn

    def empty_organizational_unit(self, name: str) -> str:
        """Make an organizational unit with nobody in it, whoever was in one of that name before."""
        with suppress(LDAPNoSuchObjectResult):
            self.delete_organizational_unit(f"OU={name},{provision.NAMING_CONTEXT}")
        return self.add_organizational_unit(name)

    def delete_all_organizational_units(self) -> None:
        """Delete every organizational unit that an administrator has made, with everything in it."""
        ours = "(&(objectClass=organizationalUnit)(!(isCriticalSystemObject=TRUE)))"
        self._connection.search(provision.NAMING_CONTEXT, ours, LEVEL, attributes=["1.1"])
        found = [one["dn"] for one in self._connection.response if one["type"] == "searchResEntry"]
        for organizational_unit in found:
            self.delete_organizational_unit(organizational_unit)

    def add_sample_person(self, person: SamplePerson, organizational_unit: str) -> UUID:
        """Add one of the sample people."""
        return self._add(dn_below(organizational_unit, person.name), person_attributes(person))

    def add_person(
        self, name: str, organizational_unit: str, **attributes: Value | Sequence[Value]
    ) -> UUID:
        """Enter somebody called `name`; the account name is made from it unless given."""
        account = _account_name(name)
        entry: dict[str, Value | Sequence[Value]] = {
            "objectClass": "user",
            "sAMAccountName": account,
            "userPrincipalName": f"{account}@{provision.DOMAIN}",
            "userAccountControl": "544",
        }
        return self._add(dn_below(organizational_unit, name), entry | attributes)

    def add_account(self, name: str, organizational_unit: str, password: str) -> UUID:
        """Enter an account that can sign in."""
        quoted = provision.quoted_password(password)
        return self.add_person(
            name, organizational_unit, unicodePwd=quoted, userAccountControl="66048"
        )

    def add_group(self, name: str, organizational_unit: str, members: Iterable[UUID] = ()) -> UUID:
        """Make a group of people and groups."""
        entry = {"objectClass": "group", "sAMAccountName": _account_name(name)}
        group = self._add(dn_below(organizational_unit, name), entry)
        self.add_members(group, members)
        return group

    def add_members(self, group: UUID, members: Iterable[UUID]) -> None:
        """Add people and groups to a group."""
        if names := [self.dn(member) for member in members]:
            self._connection.modify(self.dn(group), {"member": [(MODIFY_ADD, names)]})

    def set(self, guid: UUID, attribute: str, values: Photos | str) -> None:
        """Replace the values of an attribute; None or nothing clears it."""
        replaced = [values] if isinstance(values, str | bytes) else list(values or ())
        self._connection.modify(self.dn(guid), {attribute: [(MODIFY_REPLACE, replaced)]})

    def set_photo(self, guid: UUID, attribute: str, photos: Photos) -> None:
        """Replace, or with None clear, a person's picture."""
        self.set(guid, attribute, photos)

    def set_mail(self, guid: UUID, mail: str | None) -> None:
        """Replace, or with None clear, a person's mail address."""
        self.set(guid, "mail", mail)

    def disable(self, guid: UUID) -> None:
        """Disable an account."""
        self.set(guid, "userAccountControl", "546")

    def rename(self, guid: UUID, name: str) -> None:
        """Give an entry another common name, where it is."""
        self._connection.modify_dn(self.dn(guid), f"CN={escape_rdn(name)}")

    def move(self, guid: UUID, organizational_unit: str) -> None:
        """Move an entry to another organizational unit."""
        rdn = f"CN={escape_rdn(self._read(guid, 'name')[0].decode())}"
        self._connection.modify_dn(self.dn(guid), rdn, new_superior=organizational_unit)

    def move_organizational_unit(self, organizational_unit: str, parent: str) -> str:
        """Move a unit, with everyone in it, below another one; return its new DN."""
        rdn = organizational_unit.partition(",")[0]
        self._connection.modify_dn(organizational_unit, rdn, new_superior=parent)
        return f"{rdn},{parent}"

    def delete(self, guid: UUID) -> None:
        """Delete an entry."""
        self._connection.delete(self.dn(guid))

    def delete_organizational_unit(self, organizational_unit: str) -> None:
        """Delete an organizational unit with everything in it."""
        self._connection.delete(organizational_unit, controls=[TREE_DELETE])

    def deny_read(self, reader: UUID, attribute: str, organizational_unit: str) -> None:
        """Forbid one account to read an attribute of everything below `organizational_unit`."""
        ace = f"(OD;CI;RP;{self._schema_guid(attribute)};;{self._sid(reader)})"
        folder = self._folder
        assert folder is not None, "the domain controller runs elsewhere"
        subprocess.run(
            ["samba-tool", "dsacl", "set", "-H", folder / "private" / "sam.ldb",
             "-s", folder / "etc" / "smb.conf", f"--objectdn={organizational_unit}", f"--sddl={ace}"],
            check=True,
            capture_output=True,
        )  # fmt: skip

    def find(self, account: str) -> UUID:
        """Return the GUID of the account with this sAMAccountName."""
        self._connection.search(
            provision.NAMING_CONTEXT,
            f"(sAMAccountName={account})",
            SUBTREE,
            attributes=["objectGUID"],
        )
        return UUID(bytes_le=self._entries()[0]["objectGUID"][0])

    def wrong_passwords(self, guid: UUID) -> int:
        """Return how many wrong passwords in a row the account has seen."""
        return int((self._read(guid, "badPwdCount") or [b"0"])[0])

    def relative_id(self, guid: UUID) -> int:
        """Return the last part of an entry's SID."""
        return int(self._sid(guid).rpartition("-")[2])

    def dn(self, guid: UUID) -> str:
        """Return where the entry is now."""
        self._connection.search(f"<GUID={guid}>", "(objectClass=*)", BASE, attributes=["1.1"])
        return str(self._connection.response[0]["dn"])

    def _add(self, dn: str, attributes: Mapping[str, Value | Sequence[Value]]) -> UUID:
        self._connection.add(dn, attributes=attributes)
        self._connection.search(dn, "(objectClass=*)", BASE, attributes=["objectGUID"])
        return UUID(bytes_le=self._entries()[0]["objectGUID"][0])

    def _read(self, guid: UUID, attribute: str) -> list[bytes]:
        self._connection.search(f"<GUID={guid}>", "(objectClass=*)", BASE, attributes=[attribute])
        return self._entries()[0].get(attribute, [])

    def _entries(self) -> list[dict[str, list[bytes]]]:
        return [
            dict(entry["raw_attributes"])
            for entry in self._connection.response
            if entry["type"] == "searchResEntry"
        ]

    def _schema_guid(self, attribute: str) -> UUID:
        self._connection.search(
            f"CN=Schema,CN=Configuration,{provision.NAMING_CONTEXT}",
            f"(lDAPDisplayName={attribute})",
            SUBTREE,
            attributes=["schemaIDGUID"],
        )
        return UUID(bytes_le=self._entries()[0]["schemaIDGUID"][0])

    def _sid(self, guid: UUID) -> str:
        raw = self._read(guid, "objectSid")[0]
        parts = [raw[0], int.from_bytes(raw[2:8], "big")]
        parts += [int.from_bytes(raw[at : at + 4], "little") for at in range(8, len(raw), 4)]
        return "S-" + "-".join(map(str, parts))


def _account_name(name: str) -> str:
    """Return a sAMAccountName for a common name: few characters are allowed there, and 20 of them."""
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter in "._-")[:20]
