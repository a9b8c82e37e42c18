"""Incremental reading: only who changed since the cursor of this server, from a real Active Directory."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from profile_image_sync.worker.directory import Directory, Position, Window
from testkit.certificates import CertificateAuthority
from testkit.ldap_server import NAMING_CONTEXT, ScriptedLdapServer
from testkit.samba.administrator import Administrator
from tests.contract.directory.conftest import Connect
from tests.support.directory import connect_directory

SETTINGS = b"CN=NTDS Settings,CN=DC1"


def changed_since(directory: Directory, cursor: Position) -> set[UUID]:
    """Return who changed after the cursor, without the overlap that a run reads again."""
    found = list(directory.people(Window(cursor.usn)))
    assert len({person.guid for person in found}) == len(found)
    return {person.guid for person in found if person.usn > cursor.usn}


def position(directory: Directory) -> Position:
    """Return where the changes stand, which the server tells."""
    found = directory.position()
    assert found
    return found


@pytest.mark.samba
def test_only_who_changed_is_read(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """A new picture, a cleared one, a joiner: seen; everybody else is not transferred at all."""
    unit = organizational_unit
    people = [administrator.add_person(f"p{n}", unit, thumbnailPhoto=b"%d" % n) for n in range(5)]
    directory = connect(searchBases=[unit])
    cursor = position(directory)
    assert changed_since(directory, cursor) == set()
    administrator.set_photo(people[1], "thumbnailPhoto", b"new")
    administrator.set_photo(people[3], "thumbnailPhoto", None)
    joiner = administrator.add_person("joiner", unit)
    assert changed_since(directory, cursor) == {people[1], people[3], joiner}
    assert changed_since(directory, position(directory)) == set()


@pytest.mark.samba
def test_the_same_picture_written_again_is_no_change(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """Provisioning tools write what is there already, every night."""
    guid = administrator.add_person("somebody", organizational_unit, thumbnailPhoto=b"photo")
    directory = connect(searchBases=[organizational_unit])
    cursor = position(directory)
    administrator.set_photo(guid, "thumbnailPhoto", b"photo")
    assert changed_since(directory, cursor) == set()


@pytest.mark.samba
def test_a_change_amid_the_reading_is_seen_by_the_next_window(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """The position is taken before the search: what changes meanwhile is read again, not missed."""
    guid = administrator.add_person("somebody", organizational_unit, thumbnailPhoto=b"old")
    directory = connect(searchBases=[organizational_unit])
    cursor = position(directory)
    reading = directory.people()
    administrator.set_photo(guid, "thumbnailPhoto", b"new")
    list(reading)
    assert changed_since(directory, cursor) == {guid}


@pytest.mark.samba
def test_blind_spots_of_a_window_show_in_the_layout_of_the_scope(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """A group's new member and the people of a moved unit have not changed themselves: everyone is read."""
    unit = organizational_unit
    elsewhere = administrator.add_organizational_unit("Elsewhere", unit)
    guid = administrator.add_person("somebody", elsewhere, thumbnailPhoto=b"photo")
    group = administrator.add_group("Team", unit)
    scope = {"groups": [administrator.dn(group)], "searchBases": [unit]}
    cursor = position(connect(**scope))
    administrator.add_members(group, [guid])
    directory = connect(**scope)
    assert changed_since(directory, cursor) == set()
    assert {person.guid for person in directory.people()} == {guid}
    joined = position(directory)
    assert joined.layout != cursor.layout
    assert position(connect(**scope)).layout == joined.layout
    other = administrator.add_organizational_unit("Other", unit)
    added = position(connect(**scope)).layout
    administrator.move_organizational_unit(elsewhere, other)
    assert position(connect(**scope)).layout not in (joined.layout, added)


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedLdapServer:
    """Give a scripted domain controller that tells how far its changes are."""
    server = ScriptedLdapServer(*CertificateAuthority(tmp_path / "authority").issue("127.0.0.1"))
    script = server.script
    script.root = {
        "defaultNamingContext": [NAMING_CONTEXT],
        "dnsHostName": [b"DC1.ad.test"],
        "dsServiceName": [SETTINGS],
        "highestCommittedUSN": [b"70000"],
    }
    domain = script.entry
    database = {"invocationId": [UUID(int=5).bytes_le]}
    script.entry = lambda dn: database if dn == SETTINGS else domain(dn)
    return server


def opened(server: ScriptedLdapServer, tmp_path: Path) -> Directory:
    """Connect to it."""
    return connect_directory([server.url], tmp_path / "authority" / "ca.pem", "reader", "secret")


def test_a_position_names_the_database_and_not_the_address(
    scripted: ScriptedLdapServer, tmp_path: Path
) -> None:
    """A restored server has another database under the same name, and other numbers."""
    with scripted, opened(scripted, tmp_path) as directory:
        assert directory.position() == Position("dc1.ad.test", UUID(int=5), 70_000)


@pytest.mark.parametrize("missing", ["dnsHostName", "dsServiceName", "highestCommittedUSN"])
def test_a_server_that_does_not_tell_its_position_has_none(
    scripted: ScriptedLdapServer, tmp_path: Path, missing: str
) -> None:
    """A guess could hide changes: then everyone is read."""
    kept = {name: value for name, value in scripted.script.root.items() if name != missing}
    scripted.script.root = kept
    with scripted, opened(scripted, tmp_path) as directory:
        assert directory.position() is None


def test_a_window_is_a_condition_of_the_search(
    scripted: ScriptedLdapServer, tmp_path: Path
) -> None:
    """So that unchanged people are not transferred."""
    with scripted, opened(scripted, tmp_path) as directory:
        list(directory.people(Window(70_000)))
        list(directory.people())
    with_window, without = scripted.script.searches
    assert b"uSNChanged\x04\x0569001" in with_window
    assert b"69001" not in without
