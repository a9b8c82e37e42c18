"""The way to HighQ through a real proxy (tinyproxy): with and without credentials, and its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from profile_image_sync.errors import HighQUnavailable, ProxyRefused
from profile_image_sync.worker.highq.transport import ProxyAccess
from testkit.pictures import jpeg, portrait
from testkit.simulator.process import Simulator
from testkit.simulator.samples import people
from tests.support.highq_session import HighQSession, ready
from tests.support.tinyproxy import PASSWORD, USERNAME, Tinyproxy, free_port, tinyproxy

PICTURE = jpeg(portrait("P", 1, 320, 320))


@pytest.fixture
def session(simulator: Simulator, tmp_path: Path) -> HighQSession:
    """Give a few users, and an administrator who authorised us."""
    return HighQSession.at(simulator, simulator.create_instance(users=people(3)), tmp_path)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def works_through(session: HighQSession, proxy: Tinyproxy, access: ProxyAccess | None) -> None:
    """List, refresh and upload; all of it goes through tunnels."""
    with session.open(proxy=access) as highq:
        assert highq.account_total() == 4
        highq.upload(2, ready(PICTURE))
    assert session.instance.picture(2) == PICTURE
    assert {line.split()[0] for line in proxy.requests()} == {"CONNECT"}


@pytest.mark.parametrize("no_proxy", ["", "127.0.0.1,localhost"])
def test_the_proxy_of_the_spec_is_used(
    session: HighQSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    """With its credentials and our own CA, whatever HTTPS_PROXY and NO_PROXY say."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with tinyproxy(tmp_path, password=True) as proxy:
        works_through(session, proxy, ProxyAccess(proxy.url, USERNAME, PASSWORD))
        log = proxy.log.read_text()
    assert session.credentials.client_secret not in log
    assert "Bearer" not in log


def test_a_proxy_may_need_no_credentials(session: HighQSession, tmp_path: Path) -> None:
    """Companies that let everyone inside through."""
    with tinyproxy(tmp_path) as proxy:
        works_through(session, proxy, ProxyAccess(proxy.url))


def test_the_proxy_of_the_environment_is_used(
    session: HighQSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the spec names none; credentials may stand in it."""
    with tinyproxy(tmp_path, password=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{USERNAME}:{PASSWORD}@127.0.0.1:{proxy.port}")
        works_through(session, proxy, None)


def test_no_proxy_of_the_environment_is_obeyed(
    session: HighQSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts listed there are reached directly."""
    with tinyproxy(tmp_path) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        with session.open() as highq:
            assert highq.account_total() == 4
        assert proxy.requests() == []


@pytest.mark.parametrize("password", ["wrong-pa55", None])
def test_a_proxy_that_wants_other_credentials_is_told_as_such(
    session: HighQSession, tmp_path: Path, password: str | None
) -> None:
    """407, at once and not five times: proxies lock accounts, too. The password is not told."""
    with tinyproxy(tmp_path, password=True) as proxy:
        access = ProxyAccess(proxy.url, USERNAME if password else None, password)
        words = r"spec\.highq\.proxy wants other credentials \(HTTP 40[17]\).*credentialsSecretRef"
        with (
            session.open(proxy=access) as highq,
            pytest.raises(ProxyRefused, match=words) as caught,
        ):
            highq.account_total()
        assert len(proxy.requests()) == 1
    assert "wrong-pa55" not in str(caught.value)
    assert "wrong-pa55" not in repr(access)


def test_credentials_of_the_environment_are_told_as_such(
    session: HighQSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is where they were given."""
    with tinyproxy(tmp_path, password=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{USERNAME}:wrong-pa55@127.0.0.1:{proxy.port}")
        words = "username and password in HTTPS_PROXY"
        with session.open() as highq, pytest.raises(ProxyRefused, match=words) as caught:
            highq.account_total()
    assert "wrong-pa55" not in str(caught.value)


def test_a_proxy_that_does_not_allow_highq_is_told_as_such(
    session: HighQSession, tmp_path: Path
) -> None:
    """403: a rule of the company, and not HighQ's denial of a token."""
    words = r"spec\.highq\.proxy does not allow 127\.0\.0\.1"
    with (
        tinyproxy(tmp_path, allowed_port=443) as proxy,
        session.open(proxy=ProxyAccess(proxy.url)) as highq,
        pytest.raises(ProxyRefused, match=words),
    ):
        highq.account_total()


def test_a_proxy_that_cannot_reach_highq_is_told_as_such(
    session: HighQSession, tmp_path: Path
) -> None:
    """The proxy is there, HighQ is not: the next run may have more luck."""
    nobody = f"https://127.0.0.1:{free_port()}/acme"
    with (
        tinyproxy(tmp_path) as proxy,
        session.open(nobody, proxy=ProxyAccess(proxy.url)) as highq,
        pytest.raises(HighQUnavailable, match=r"proxy of spec\.highq\.proxy did not connect us"),
    ):
        highq.account_total()


def test_a_proxy_that_is_down_is_named_as_the_way(
    session: HighQSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else people would look for the trouble at HighQ."""
    url = f"http://127.0.0.1:{free_port()}"
    with (
        session.open(proxy=ProxyAccess(url)) as highq,
        pytest.raises(HighQUnavailable, match=r"through the proxy of spec\.highq\.proxy"),
    ):
        highq.account_total()
    monkeypatch.setenv("HTTPS_PROXY", url)
    with (
        session.open() as highq,
        pytest.raises(HighQUnavailable, match="cannot be reached through the proxy of HTTPS_P"),
    ):
        highq.account_total()
