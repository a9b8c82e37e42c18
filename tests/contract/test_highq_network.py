"""Certificates, host names, proxies: real sockets, each failure with its remedy."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from profile_image_sync.errors import HighQUnavailable, HighQUntrusted
from testkit.certificates import CertificateAuthority
from testkit.simulator.process import Simulator
from testkit.simulator.samples import people
from tests.support.highq_session import HighQSession


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


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_at_the_door_is_told_by_host(session: HighQSession) -> None:
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


class Proxy(ThreadingTCPServer):
    """A proxy as companies have them: CONNECT, or nothing."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.status = status
        self.heads: list[str] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://user:pa55word@127.0.0.1:{self.server_address[1]}"


class Tunnel(StreamRequestHandler):
    """One client's way through."""

    def handle(self) -> None:
        """Read the request's head, then pass bytes on in both directions."""
        assert isinstance(self.server, Proxy)
        lines = iter(self.rfile.readline, b"\r\n")
        head = b"".join(lines).decode()
        self.server.heads.append(head)
        self.wfile.write(f"HTTP/1.1 {self.server.status} Said\r\n\r\n".encode())
        if self.server.status != 200:
            return
        host, port = head.split()[1].split(":")
        with socket.create_connection((host, int(port))) as beyond:
            ends = [self.connection, beyond]
            while True:
                for end in select.select(ends, [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end is self.connection].sendall(data)


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """Run a proxy that responses CONNECT with the status asked for (200)."""
    with Proxy(getattr(request, "param", 200)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def test_the_environments_proxy_is_used(
    session: HighQSession, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a tunnel: the proxy learns host and port, and never the token."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with session.open() as highq:
        assert highq.account_total() == 4
    assert proxy.heads
    for head in proxy.heads:
        assert head.startswith("CONNECT 127.0.0.1:")
        assert "Bearer" not in head


def test_no_proxy_is_obeyed(
    session: HighQSession, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts listed there are reached directly."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    with session.open() as highq:
        assert highq.account_total() == 4
    assert proxy.heads == []


@pytest.mark.parametrize("proxy", [403, 407], indirect=True)
def test_a_proxy_that_says_no_is_told_from_highq(
    session: HighQSession, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its response is not HighQ's; the message names the variable, not the password in it."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with (
        session.open() as highq,
        pytest.raises(HighQUnavailable, match=r"proxy did not .*127\.0\.0\.1.*HTTPS") as caught,
    ):
        highq.account_total()
    assert "pa55word" not in str(caught.value)


def test_a_proxy_that_is_down_is_named_as_the_way(
    session: HighQSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else people would look for the trouble at HighQ."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    with (
        session.open() as highq,
        pytest.raises(HighQUnavailable, match="cannot be reached through the proxy of HTTPS_P"),
    ):
        highq.account_total()
