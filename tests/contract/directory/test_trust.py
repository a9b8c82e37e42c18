"""Nothing secret is sent to a server that does not prove its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from profile_image_sync.errors import DirectoryUnavailable, DirectoryUntrusted, InvalidSpec
from testkit.certificates import CertificateAuthority
from testkit.ldap_server import UNAVAILABLE, ScriptedLdapServer
from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController
from tests.contract.directory.conftest import Connect
from tests.support.directory import connect_directory

WHO = ("reader@ad.test", "a secret")
NOTHING_SENT = "No password was sent"


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """Give an authority of its own."""
    return CertificateAuthority(tmp_path / "authority")


@pytest.fixture
def clear_text(authority: CertificateAuthority) -> Iterator[ScriptedLdapServer]:
    """Give a server on clear-text LDAP, which StartTLS turns into TLS."""
    with ScriptedLdapServer(*authority.issue("127.0.0.1"), plain=True) as server:
        yield server


def test_an_unknown_authority_is_not_trusted(
    connect: Connect,
    authority: CertificateAuthority,
    administrator: Administrator,
    domain_controller: DomainController,
) -> None:
    """Even a wrong password is not noticed by the server: it never got there."""
    account = administrator.find(domain_controller.bind_user.split("@")[0])
    for url in (domain_controller.url, domain_controller.start_tls_url):
        with pytest.raises(DirectoryUntrusted, match="authority that is not trusted") as caught:
            connect(servers=[url], ca_file=authority.ca_file, password="wrong")
        assert url in str(caught.value)
        assert "spec.activeDirectory.caBundleRef" in str(caught.value)
        assert NOTHING_SENT in str(caught.value)
    assert administrator.wrong_passwords(account) == 0


def test_without_a_bundle_the_systems_store_decides(
    connect: Connect,
) -> None:
    """No CA configured never means no verification."""
    with pytest.raises(DirectoryUntrusted, match="authority that is not trusted"):
        connect(ca_file=None)


def test_a_certificate_for_another_name_is_not_trusted(
    connect: Connect, domain_controller: DomainController
) -> None:
    """The name in the spec, or the IP address, must stand in the certificate."""
    (url,) = domain_controller.unnamed_urls
    with pytest.raises(DirectoryUntrusted, match="does not prove the name") as caught:
        connect(servers=[url])
    assert NOTHING_SENT in str(caught.value)


def test_an_untrusted_server_is_not_passed_over(
    connect: Connect, domain_controller: DomainController
) -> None:
    """A server that cannot prove its name may be an attack: the run ends, the next is not asked."""
    with pytest.raises(DirectoryUntrusted):
        connect(servers=[*domain_controller.unnamed_urls, domain_controller.url])


def test_start_tls_comes_before_the_bind(
    connect: Connect, domain_controller: DomainController
) -> None:
    """This server refuses binds in clear text (like Windows Server 2025), and takes ours."""
    assert connect(servers=[domain_controller.start_tls_url]).domain.name == "ad.test"


def test_an_expired_certificate_is_not_trusted(authority: CertificateAuthority) -> None:
    """Nor is a name that was proved once."""
    with ScriptedLdapServer(*authority.issue_expired("127.0.0.1")) as server:
        with pytest.raises(DirectoryUntrusted, match="has expired") as caught:
            connect_directory([server.url], authority.ca_file, *WHO)
        assert server.script.requests == 0
    assert NOTHING_SENT in str(caught.value)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.2"])
def test_the_wrong_name_is_found_before_anything_is_sent(
    authority: CertificateAuthority, name: str
) -> None:
    """No request of any kind reaches a server whose certificate is for another name or address."""
    with ScriptedLdapServer(*authority.issue(name)) as server:
        with pytest.raises(DirectoryUntrusted):
            connect_directory([server.url], authority.ca_file, *WHO)
        assert server.script.requests == 0


def test_a_server_without_start_tls_gets_nothing(
    authority: CertificateAuthority, clear_text: ScriptedLdapServer
) -> None:
    """ldap:// never falls back to clear text."""
    clear_text.script.start_tls_result = UNAVAILABLE
    with pytest.raises(DirectoryUntrusted, match="no StartTLS"):
        connect_directory([clear_text.url], authority.ca_file, *WHO)
    assert clear_text.script.requests == 1  # the one that asked for TLS
    assert clear_text.script.binds == []


def test_start_tls_verifies_like_ldaps(
    authority: CertificateAuthority, clear_text: ScriptedLdapServer, tmp_path: Path
) -> None:
    """The certificate is proved before the bind there, too."""
    other = CertificateAuthority(tmp_path / "other")
    with pytest.raises(DirectoryUntrusted, match="authority that is not trusted"):
        connect_directory([clear_text.url], other.ca_file, *WHO)
    assert clear_text.script.binds == []
    connect_directory([clear_text.url], authority.ca_file, *WHO).close()
    assert clear_text.script.binds == [b"a secret"]


def test_ldaps_to_the_clear_text_port_is_unreachable(
    connect: Connect, domain_controller: DomainController
) -> None:
    """A wrong port in the spec: no TLS, so nothing is said; the message names the address."""
    url = f"{domain_controller.url}:389"
    with pytest.raises(DirectoryUnavailable, match=url):
        connect(servers=[url])


def test_a_bundle_without_a_certificate_is_refused_before_connecting(
    tmp_path: Path,
) -> None:
    """An empty or damaged bundle never means the system's store."""
    bundle = tmp_path / "ca.pem"
    for text in ("", "nothing in here", "-----BEGIN CERTIFICATE-----\nAAAA\n"):
        bundle.write_text(text)
        with pytest.raises(InvalidSpec, match=r"spec\.activeDirectory\.caBundleRef"):
            connect_directory(["ldaps://nowhere.invalid"], bundle, *WHO)
