"""How requests are put on the http_transport; what cannot be put there is told before."""

from __future__ import annotations

import httpx
import pytest

from profile_image_sync.errors import HighQUntrusted, InvalidSpec
from profile_image_sync.worker.highq import transport
from profile_image_sync.worker.highq.refs import Route
from profile_image_sync.worker.highq.transport import Request, ResponseLost, Transport
from profile_image_sync.worker.people import Avatar

from .fakes import URL, MovedTime

JPEG = Avatar(b"\xff\xd8picture", "image/jpeg", 256)
PNG = Avatar(b"\x89PNGpicture", "image/png", 256)


def sent(request: Request, *, url: str = URL, token: str | None = "t0ken") -> httpx.Request:
    """Return what goes out."""
    requests: list[httpx.Request] = []

    def handler(on_the_wire: httpx.Request) -> httpx.Response:
        on_the_wire.read()
        requests.append(on_the_wire)
        return httpx.Response(200)

    http_transport = httpx.MockTransport(handler)
    timing = MovedTime().timing()
    Transport(url, ca=None, timing=timing, http_transport=http_transport).exchange(request, token)
    return requests[0]


@pytest.mark.parametrize("url", [URL, URL + "/"])
def test_a_list_is_asked_for_below_the_instances_path(url: str) -> None:
    """With or without the slash that people copy along."""
    request = sent(Request(Route.COLLABORATE_USERS, query={"limit": "5", "offset": "10"}), url=url)
    assert str(request.url) == f"{URL}/api/3/users?limit=5&offset=10"
    assert request.method == "GET"
    assert request.headers["authorization"] == "Bearer t0ken"
    assert request.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("avatar", "name"), [(JPEG, "avatar.jpg"), (PNG, "avatar.png")], ids=["jpeg", "png"]
)
def test_an_avatar_is_a_multipart_form(avatar: Avatar, name: str) -> None:
    """One field `file`, with a name and its type; nothing else."""
    request = sent(Request(Route.AVATAR, account_id=7, avatar=avatar))
    assert (request.method, request.url.path) == ("POST", "/acme/api/5/users/7/avatar")
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
    assert request.content.count(b"Content-Disposition") == 1
    assert disposition.encode() in request.content
    assert f"Content-Type: {avatar.media_type}\r\n\r\n".encode() + avatar.data in request.content


@pytest.mark.parametrize("avatar", [JPEG, PNG], ids=["jpeg", "png"])
def test_a_profile_image_is_the_body(avatar: Avatar) -> None:
    """Raw, under its own type."""
    request = sent(Request(Route.PROFILE_IMAGE, account_id=7, avatar=avatar))
    assert (request.method, request.url.path) == ("POST", "/acme/api/2/users/7/profileimage")
    assert request.headers["content-type"] == avatar.media_type
    assert request.content == avatar.data


def test_a_refresh_is_a_form_without_a_bearer() -> None:
    """The credentials are in the form; percent-encoded, so that any character is safe."""
    request = sent(Request(Route.TOKEN, form={"client_secret": "a+b&c=é"}), token=None)
    assert request.content == b"client_secret=a%2Bb%26c%3D%C3%A9"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers


def test_a_request_shows_neither_picture_nor_form() -> None:
    """Its repr may end up anywhere."""
    request = Request(Route.TOKEN, form={"client_secret": "s3cret"}, avatar=JPEG)
    assert "s3cret" not in repr(request)
    assert "picture" not in repr(request)


@pytest.mark.parametrize(
    "ca", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx", "zertifikät"]
)
def test_an_authority_that_is_none_is_told_by_its_field(ca: str) -> None:
    """An empty or damaged bundle must not fall back to trusting anyone else."""
    with pytest.raises(HighQUntrusted, match=r"spec\.highq\.caBundleRef .* PEM"):
        Transport(URL, ca=ca, timing=MovedTime().timing())


@pytest.mark.parametrize(
    "proxy", ["socks5://user:pa55@proxy.example:1080", "ftp://user:pa55@proxy.example"]
)
def test_a_proxy_we_cannot_use_is_told_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only HTTP proxies; the address may hold a password and is not quoted."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(InvalidSpec, match="HTTPS_PROXY") as caught:
        Transport(URL, ca=None, timing=MovedTime().timing())
    assert "pa55" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, whatever a gateway sends."""
    monkeypatch.setattr(transport, "MAX_LIST_BYTES", 1000)
    http_transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=b"x" * 1001))
    calling = Transport(URL, ca=None, timing=MovedTime().timing(), http_transport=http_transport)
    with pytest.raises(ResponseLost, match=r"acme\.example is larger"):
        calling.exchange(Request(Route.COLLABORATE_USERS), "t")
