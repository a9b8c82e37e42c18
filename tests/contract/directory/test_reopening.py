"""A connection that was idle for too long: closed by the server, or forgotten by a firewall on the way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest

from profile_image_sync.errors import BindRefused, DirectoryMisconfigured, DirectoryUnavailable
from profile_image_sync.worker.directory import Directory
from testkit.certificates import CertificateAuthority
from testkit.ldap_server import (
    DOMAIN_GUID,
    INVALID_CREDENTIALS,
    UNAVAILABLE,
    Attributes,
    ScriptedLdapServer,
)
from tests.support.directory import connect_directory

PERSON = UUID(int=7)


def entry(dn: bytes) -> Attributes | None:
    """Return the domain, or the one person there is."""
    if dn.startswith(b"<GUID="):
        return {"objectGUID": [PERSON.bytes_le], "thumbnailPhoto": [b"photo"]}
    return {"objectGUID": [DOMAIN_GUID.bytes_le]}


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[ScriptedLdapServer]]:
    """Give two servers of one domain."""
    certificate = CertificateAuthority(tmp_path / "authority").issue("127.0.0.1")
    with ExitStack() as stack:
        found = [stack.enter_context(ScriptedLdapServer(*certificate)) for _ in range(2)]
        for server in found:
            server.script.entry = entry
        yield found


@pytest.fixture
def directory(servers: list[ScriptedLdapServer], tmp_path: Path) -> Iterator[Directory]:
    """Give a directory that is open on the second server: the first was busy at the time."""
    first, second = servers
    first.script.bind_result = UNAVAILABLE
    urls = [first.url, second.url]
    ca_file = tmp_path / "authority" / "ca.pem"
    with connect_directory(urls, ca_file, "reader@ad.test", "secret") as opened:
        first.script.bind_result = 0
        first.script.binds.clear()
        yield opened


def test_a_connection_that_the_server_closed_is_opened_again_on_the_same_server(
    servers: list[ScriptedLdapServer], directory: Directory
) -> None:
    """HighQ's list took longer than the server waits: the run goes on, with one more bind."""
    first, second = servers
    second.disconnect_all()
    assert directory.picture(PERSON, "thumbnailPhoto")[1] == b"photo"
    assert directory.picture(PERSON, "thumbnailPhoto")[1] == b"photo"
    assert (len(first.script.binds), len(second.script.binds)) == (0, 2)


def test_it_is_opened_again_as_often_as_it_is_closed(
    servers: list[ScriptedLdapServer], directory: Directory
) -> None:
    """A long run waits for the rate limit many times."""
    for _ in range(3):
        servers[1].disconnect_all()
        assert directory.picture(PERSON, "thumbnailPhoto")[1] == b"photo"
    assert len(servers[1].script.binds) == 4


def test_another_server_serves_when_the_same_cannot_be_had(
    servers: list[ScriptedLdapServer], directory: Directory
) -> None:
    """It went down meanwhile."""
    first, second = servers
    second.script.bind_result = UNAVAILABLE
    second.disconnect_all()
    assert directory.picture(PERSON, "thumbnailPhoto")[1] == b"photo"
    assert len(first.script.binds) == 1


def test_a_connection_that_is_lost_at_once_again_ends_the_run(
    servers: list[ScriptedLdapServer], directory: Directory
) -> None:
    """Once a request: a server in trouble is not asked without end."""

    def busy(dn: bytes) -> Attributes | None:
        if dn.startswith(b"<GUID="):
            servers[1].disconnect_all()
        return entry(dn)

    servers[1].script.entry = busy
    with pytest.raises(DirectoryUnavailable):
        directory.picture(PERSON, "thumbnailPhoto")[1]
    assert len(servers[1].script.binds) == 2


def test_a_firewall_that_forgot_the_connection_is_survived(
    servers: list[ScriptedLdapServer], directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes back at all: the wait for a response ends, another server is asked."""
    directory._session._connection.socket.settimeout(0.3)
    servers[1].script.silent = True
    monkeypatch.setattr("profile_image_sync.worker.directory.connection.ANSWER_SECONDS", 0.3)
    assert directory.picture(PERSON, "thumbnailPhoto")[1] == b"photo"
    assert len(servers[0].script.binds) == 1


def test_a_refused_bind_is_final_when_it_is_opened_again(
    servers: list[ScriptedLdapServer], directory: Directory
) -> None:
    """The password was changed meanwhile: one attempt, or the account would be locked."""
    first, second = servers
    second.script.bind_result = INVALID_CREDENTIALS
    second.disconnect_all()
    with pytest.raises(BindRefused):
        directory.picture(PERSON, "thumbnailPhoto")[1]
    assert (len(first.script.binds), len(second.script.binds)) == (0, 2)


def test_a_server_of_another_domain_does_not_serve_instead(
    servers: list[ScriptedLdapServer], directory: Directory
) -> None:
    """Its people are others, even where their GUIDs were the same."""
    first, second = servers
    first.script.entry = lambda _: {"objectGUID": [UUID(int=1).bytes_le]}
    second.script.bind_result = UNAVAILABLE
    second.disconnect_all()
    with pytest.raises(DirectoryMisconfigured, match="must all serve one domain"):
        directory.picture(PERSON, "thumbnailPhoto")[1]


def test_the_kernel_keeps_the_connection_alive(directory: Directory) -> None:
    """Probes every minute, so that firewalls do not forget it: most do after five."""
    connected = directory._session._connection.socket
    assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
