"""Certificates and host names: real sockets, each failure with its remedy."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from profile_image_sync.errors import HighQUnavailable, HighQUntrusted, UploadUnconfirmed
from testkit.certificates import CertificateAuthority
from testkit.pictures import jpeg, portrait
from testkit.simulator.process import Simulator
from testkit.simulator.samples import people
from testkit.waiting import wait_for
from tests.support.highq_session import HighQSession, ready
from tests.support.tinyproxy import free_port

PICTURE = jpeg(portrait("P", 1, 320, 320))


@pytest.fixture
def session(simulator: Simulator, tmp_path: Path) -> HighQSession:
    """Give a few users, and an administrator who authorised us."""
    return HighQSession.at(simulator, simulator.create_instance(users=people(3)), tmp_path)


@pytest.fixture(autouse=True)
def _no_proxy_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@dataclass
class OtherCertificate:
    """Lets a simulator start with a certificate other than the one it asks for."""

    authority: CertificateAuthority
    expired: bool

    def __post_init__(self) -> None:
        """Take the authority's certificate along."""
        self.ca_file = self.authority.ca_file

    def issue(self, *hostnames: str) -> tuple[Path, Path]:
        """Issue for another name, or for the right one but too long ago."""
        if self.expired:
            return self.authority.issue_expired(*hostnames)
        return self.authority.issue("other.example")


def test_an_unknown_authority_is_not_trusted(session: HighQSession, tmp_path: Path) -> None:
    """Neither another one than ours, nor ours by the system's store; no secret leaves us."""
    for ca in (CertificateAuthority(tmp_path / "another").ca_file.read_text(), None):
        session.ca = ca
        with session.open() as highq, pytest.raises(HighQUntrusted) as caught:
            highq.account_total()
        assert "127.0.0.1" in str(caught.value)
        assert "spec.highq.caBundleRef" in str(caught.value)
    assert session.instance.audit() == []


@pytest.mark.parametrize(
    ("expired", "words"), [(False, "certificate is not valid for '127.0.0.1'"), (True, "expired")]
)
def test_a_certificate_must_prove_the_name_today(
    session: HighQSession, tmp_path: Path, expired: bool, words: str
) -> None:
    """A certificate for another name, or one that ran out, is refused at once."""
    authority = OtherCertificate(CertificateAuthority(tmp_path / "authority"), expired)
    session.ca = authority.ca_file.read_text()
    with Simulator.start(tmp_path=tmp_path, tls=authority) as other:
        url = f"{other.url}/acme"
        with session.open(url) as highq, pytest.raises(HighQUntrusted, match=words):
            highq.account_total()


def test_a_bundle_with_comments_and_several_authorities_is_read(
    session: HighQSession, tmp_path: Path
) -> None:
    """As distributions ship them: names in any script between the certificates."""
    another = CertificateAuthority(tmp_path / "another").ca_file.read_text()
    session.ca = f"# Főtanúsítvány\n{another}\n# ours\n{session.ca}"
    with session.open() as highq:
        assert highq.account_total() == 4


def test_a_host_that_refuses_connections_is_named(session: HighQSession) -> None:
    """Refused by every attempt: the next run may have more luck."""
    port = free_port()
    with (
        session.open(f"https://127.0.0.1:{port}/acme") as highq,
        pytest.raises(HighQUnavailable, match=rf"127.0.0.1:{port} cannot be .*: it refuses"),
    ):
        highq.account_total()


def test_an_unknown_name_is_told_as_such(session: HighQSession) -> None:
    """A typing error in spec.highq.url, or the cluster's DNS."""
    with (
        session.open("https://acme.invalid/acme") as highq,
        pytest.raises(HighQUnavailable, match=r"acme\.invalid cannot .*does not resolve"),
    ):
        highq.account_total()


def test_a_host_that_never_answers_is_told_as_such(session: HighQSession) -> None:
    """A firewall that drops: the listener's queue is full, so no connection comes about."""
    session.timing = replace(session.timing, connect_timeout=0.1)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        with (
            session.open(f"https://127.0.0.1:{address[1]}/acme") as highq,
            pytest.raises(HighQUnavailable, match="no connection in time"),
        ):
            highq.account_total()
        for filler in fillers:
            filler.close()


def test_a_port_without_tls_is_told_as_such(session: HighQSession, tmp_path: Path) -> None:
    """Plain HTTP behind an https URL; nothing is sent in clear text."""
    with Simulator.start(tmp_path=tmp_path) as plain:
        url = plain.url.replace("http://", "https://") + "/acme"
        with (
            session.open(url) as highq,
            pytest.raises(HighQUnavailable, match="does not speak TLS"),
        ):
            highq.account_total()


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_that_is_renewed_in_mid_run(tmp_path: Path, *, known: bool) -> None:
    """By the same authority the run goes on; by one that we do not trust it ends, and nothing is sent."""
    authority = CertificateAuthority(tmp_path / "ca")
    with Simulator.start(tmp_path=tmp_path, tls=authority) as simulator:
        instance = simulator.create_instance(users=people(3))
        session = HighQSession.at(simulator, instance, tmp_path)
        port = urlsplit(simulator.url).port or 0
        with session.open() as highq:
            highq.upload(1, ready(PICTURE))
            instance.fail_next("upload", "cut")
            before = ssl.get_server_certificate(("127.0.0.1", port))
            issuer = authority if known else CertificateAuthority(tmp_path / "another")
            renewed = issuer.issue("localhost", "127.0.0.1")
            for name, file in zip(("leaf-1.pem", "leaf-1.key"), renewed, strict=True):
                (tmp_path / "ca" / name).write_bytes(file.read_bytes())
            os.kill(simulator.pid, signal.SIGHUP)
            wait_for(
                "the certificate",
                lambda: ssl.get_server_certificate(("127.0.0.1", port)) != before,
            )
            if known:
                highq.upload(2, ready(PICTURE))  # cut, and again on a new connection
                assert [upload.user_id for upload in instance.uploads()] == [1, 2]
            else:  # lost if the old connection was still open: it is cut
                with pytest.raises((UploadUnconfirmed, HighQUntrusted)):
                    highq.upload(2, ready(PICTURE))
                with pytest.raises(HighQUntrusted, match=r"spec\.highq\.caBundleRef"):
                    highq.account_total()
