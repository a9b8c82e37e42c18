"""A paged search is complete or an error: first against Samba, then with scripted failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from profile_image_sync.errors import (
    BindRefused,
    DirectoryMisconfigured,
    DirectoryUnavailable,
    InvalidSpec,
)
from profile_image_sync.worker.directory import Directory
from profile_image_sync.worker.directory.paging import FIRST_ROWS, MAX_EMPTY_PAGES
from testkit.certificates import CertificateAuthority
from testkit.ldap_server import (
    INVALID_CREDENTIALS,
    UNAVAILABLE,
    Attributes,
    PageResponse,
    ScriptedLdapServer,
)
from testkit.samba.administrator import Administrator
from tests.contract.directory.conftest import Connect
from tests.support.directory import connect_directory

BUSY, TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT, UNWILLING, REFERRAL = 51, 3, 4, 11, 53, 10


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ScriptedLdapServer]:
    """Give a scripted server behind LDAPS."""
    authority = CertificateAuthority(tmp_path / "authority")
    with ScriptedLdapServer(*authority.issue("127.0.0.1")) as running:
        yield running


@pytest.fixture
def connect_scripted(server: ScriptedLdapServer, tmp_path: Path) -> Iterator[Connect]:
    """Give a maker of connections to `server`; its arguments are fields of `activeDirectory`."""
    directories: list[Directory] = []

    def make(**fields: Any) -> Directory:
        ca_file = tmp_path / "authority" / "ca.pem"
        who = ("reader@ad.test", "secret")
        directories.append(connect_directory([server.url], ca_file, *who, **fields))
        return directories[-1]

    yield make
    for directory in directories:
        directory.close()


def entries(*numbers: int, photo: bytes = b"photo") -> Sequence[Attributes]:
    """Return people with these numbers as GUIDs."""
    return [
        {
            "objectGUID": [UUID(int=number).bytes_le],
            "userPrincipalName": [f"p{number}@ad.test".encode()],
            "thumbnailPhoto": [photo],
        }
        for number in numbers
    ]


def test_a_sweep_over_several_pages_finds_everyone_once(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """With pages of growing size, on one connection, beside another reading."""
    everyone = {
        administrator.add_person(f"p{number}", organizational_unit, thumbnailPhoto=b"%d" % number)
        for number in range(3 * FIRST_ROWS + 7)
    }
    directory = connect(searchBases=[organizational_unit])
    found = []
    for person in directory.people():
        found.append(person.guid)
        if len(found) % 60 == 0:
            assert directory.picture(person.guid, "thumbnailPhoto")[1]
    assert len(found) == len(everyone)
    assert set(found) == everyone


def test_pages_follow_each_other_to_the_last(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """An empty page in between is no end."""
    pages = [
        PageResponse(entries(1, 2), b"a"),
        PageResponse((), b"b"),
        PageResponse(entries(3), b"c"),
        PageResponse(entries(4)),
    ]
    server.script.page = lambda number: pages[number - 1]
    guids = sorted(person.guid.int for person in connect_scripted().people())
    assert guids == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "broken",
    [
        PageResponse(entries(5), b"", BUSY),
        PageResponse(entries(5), b"", TIME_LIMIT),
        PageResponse(entries(5), b"", SIZE_LIMIT),
        PageResponse(entries(5), b"", ADMIN_LIMIT),
        PageResponse(entries(5), b"", UNWILLING),
        PageResponse(entries(5), b"", REFERRAL),
        PageResponse(entries(5), b"more", UNAVAILABLE),
        PageResponse(entries(5), None),
        PageResponse(entries(5, 6), cut_after=0),
        PageResponse(entries(5, 6), cut_after=40),
        PageResponse(entries(5, 6, photo=b"x" * 50_000), cut_after=70_000),
        PageResponse(garbage=b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        PageResponse(garbage=b"\x30\x03\x02\x01\x09"),
    ],
    ids=[
        "busy", "time limit", "size limit", "admin limit", "unwilling", "referral", "unavailable",
        "no paging control", "cut at once", "cut in an entry", "cut in a picture", "not LDAP",
        "half a message",
    ],
)  # fmt: skip
def test_a_page_that_breaks_off_voids_the_whole_search(
    server: ScriptedLdapServer, connect_scripted: Connect, broken: PageResponse
) -> None:
    """Page 3 of 5 fails: never a shorter list that looks whole, and never a traceback."""
    good = [PageResponse(entries(1, 2), b"a"), PageResponse(entries(3, 4), b"b")]
    server.script.page = lambda number: broken if number == 3 else good[number - 1]
    with pytest.raises(DirectoryUnavailable, match="page 3") as caught:
        list(connect_scripted().people())
    assert server.url in str(caught.value)


def test_a_search_that_repeats_itself_is_noticed(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """A cookie that leads back to the start would never end."""
    cycle = [entries(1, 2), entries(3, 4), entries(5, 1)]
    server.script.page = lambda number: PageResponse(cycle[(number - 1) % 3], b"again")
    with pytest.raises(DirectoryUnavailable, match="does not come to an end"):
        list(connect_scripted().people())
    assert server.script.pages == 3


def test_empty_pages_without_end_are_noticed(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """So would a cookie that leads nowhere."""
    server.script.page = lambda _: PageResponse((), b"again")
    with pytest.raises(DirectoryUnavailable, match="does not come to an end"):
        list(connect_scripted().people())
    assert server.script.pages == MAX_EMPTY_PAGES + 1


def test_a_search_that_was_cut_off_is_not_continued_on_another_connection(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """A cookie is good on its own connection only; what was read before the cut is void."""
    server.script.page = lambda _: PageResponse(cut_after=0)
    directory = connect_scripted()
    with pytest.raises(DirectoryUnavailable):
        list(directory.people())
    assert (len(server.script.binds), server.script.pages) == (1, 1)


def test_a_person_without_guid_ends_the_run(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """Nobody can be known by a mail address."""
    server.script.page = lambda _: PageResponse([{"mail": [b"a@b"]}])
    with pytest.raises(DirectoryMisconfigured, match="without objectGUID"):
        list(connect_scripted().people())


@pytest.mark.parametrize("code", [2, 12, 18, 53])
def test_a_filter_that_the_server_refuses_is_a_mistake_in_the_spec(
    server: ScriptedLdapServer, connect_scripted: Connect, code: int
) -> None:
    """An unknown matching rule, say: trying again would not help."""
    server.script.filter_result = code
    with pytest.raises(InvalidSpec, match=r"spec\.activeDirectory\.userFilter.*does not take it"):
        list(connect_scripted(userFilter="(cn:1.2.3:=x)").people())
    assert server.script.pages == 0


def test_a_server_that_is_busy_when_the_filter_is_tried_says_nothing_of_the_filter(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """The next run tries again."""
    server.script.filter_result = BUSY
    with pytest.raises(DirectoryUnavailable, match="busy"):
        list(connect_scripted(userFilter="(cn=x)").people())


def test_a_server_that_is_no_domain_controller_gets_no_password(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """Another LDAP server under the name: said so, before the bind."""
    server.script.root = {"namingContexts": [b"o=other"]}
    with pytest.raises(DirectoryMisconfigured, match="no domain controller"):
        connect_scripted()
    assert server.script.binds == []


def test_a_domain_controller_that_is_still_being_filled_is_not_read(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """Its list of people would be shorter than the domain's."""
    server.script.root = {"defaultNamingContext": [b"DC=ad,DC=test"], "isSynchronized": [b"FALSE"]}
    with pytest.raises(DirectoryUnavailable, match="not been filled"):
        connect_scripted()
    assert server.script.binds == []


def test_a_busy_server_at_the_bind_is_like_one_that_is_down(
    server: ScriptedLdapServer, connect_scripted: Connect
) -> None:
    """No verdict on the password: try again later."""
    server.script.bind_result = UNAVAILABLE
    with pytest.raises(DirectoryUnavailable, match="unavailable"):
        connect_scripted()


@pytest.mark.parametrize(
    ("diagnostic", "words"),
    [
        ("80090308: LdapErr: DSID-0C09044E, comment: …, data 525, v3839", "no such account"),
        ("80090308: LdapErr: DSID-0C09044E, comment: …, data 532, v3839", "password has expired"),
        ("invalid credentials", "the account is refused"),
    ],
)
def test_refusals_of_other_servers_are_told_in_words(
    server: ScriptedLdapServer, connect_scripted: Connect, diagnostic: str, words: str
) -> None:
    """Windows tells some causes that Samba keeps to itself."""
    server.script.bind_result = INVALID_CREDENTIALS
    server.script.bind_diagnostic = diagnostic
    with pytest.raises(BindRefused, match=words):
        connect_scripted()
    assert len(server.script.binds) == 1
