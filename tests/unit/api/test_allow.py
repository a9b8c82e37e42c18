"""Which hosts a resource may name: a table."""

from __future__ import annotations

from typing import Any

import pytest

from profile_image_sync.api.allow import Allow, Target
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.errors import HostNotAllowed


def spec(**changes: Any) -> ProfileImageSyncSpec:
    """Return a spec with these fields of `highq` and `activeDirectory`."""
    directory = {
        "servers": ["ldaps://dc1.corp.example:3269"],
        "credentialsSecretRef": {"name": "a"},
    }
    highq = {"url": "https://acme.highq.com/acme", "credentialsSecretRef": {"name": "b"}}
    return ProfileImageSyncSpec.model_validate(
        {
            "mode": "OneOff",
            "activeDirectory": directory | changes.get("directory", {}),
            "highq": highq | changes.get("highq", {}),
        }
    )


@pytest.mark.parametrize(
    ("url", "pattern", "fits"),
    [
        ("https://acme.highq.com/a", "*.highq.com", True),
        ("https://ACME.HighQ.com/a", "*.highq.com", True),
        ("https://acme.eu.highq.com/a", "*.HIGHQ.com", True),
        ("https://highq.com/a", "*.highq.com", False),
        ("https://evilhighq.com/a", "*.highq.com", False),
        ("https://acmehighq.com/a", "acme.highq.com", False),
        ("https://acme.highq.com.evil.example/a", "*.highq.com", False),
        ("https://acme.highq.com/a", "*.highq.com:443", True),
        ("ldaps://dc1", "*", True),
        ("ldaps://dc1", "dc1:636", True),
        ("ldaps://dc1:636", "dc1:636", True),
        ("ldaps://dc1:22", "dc1", True),
        ("ldaps://dc1:22", "dc1:636", False),
        ("ldap://dc1", "dc1:389", True),
        ("ldap://dc1", "*:636", False),
        ("http://proxy", "proxy:80", True),
        ("http://proxy:3128", "proxy:31*", True),
        ("http://proxy:8031", "proxy:31*", False),
        ("ldaps://dc1", "dc[12]", False),
        ("ldaps://dc1", "dc?", False),
    ],
)
def test_host_and_port_must_fit_a_pattern_as_a_whole(url: str, pattern: str, fits: bool) -> None:
    """Whatever the case. A star stands for any characters, dots too; a pattern without port fits each."""
    assert Target.of(url).fits(pattern) is fits


INTERNAL = [
    "127.0.0.1", "127.8.8.8", "127.1", "0x7f000001", "2130706433", "0177.0.0.1",
    "0.0.0.0",  # noqa: S104  # not bound: refused
    "169.254.169.254", "localhost", "LOCALHOST", "me.localhost",
    "kubernetes", "kubernetes.default", "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local", "10.96.0.1", "api.corp.example",
]  # fmt: skip
API_SERVER = ("10.96.0.1", "API.corp.example")


@pytest.mark.parametrize("host", INTERNAL)
def test_an_internal_address_must_be_named_without_a_star(host: str) -> None:
    """The node, the cloud's metadata and the API server are no domain controllers, whatever `*` allows."""
    named = spec(directory={"servers": [f"ldaps://{host}"]})
    for patterns in (("*",), (f"{host[:2]}*",), (f"{host}:63*",)):
        allow = Allow(directory_hosts=patterns, api_server_hosts=API_SERVER)
        with pytest.raises(HostNotAllowed, match="named without a \\*"):
            allow.check(named)
    for literal in (host, f"{host}:636"):
        Allow(directory_hosts=("*", literal), api_server_hosts=API_SERVER).check(named)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.7",
        "128.0.0.1",
        "dc127",
        "kubernetes.corp.example",
        "localhost.corp.example",
        "zebra",
    ],
)
def test_other_addresses_are_as_good_as_names(host: str) -> None:
    """A private address is what most domain controllers have."""
    Allow(api_server_hosts=API_SERVER).check(spec(directory={"servers": [f"ldaps://{host}"]}))


def test_internal_addresses_are_refused_in_every_field() -> None:
    """HighQ and the proxy are held to the same rule as the directory."""
    everything = Allow(highq_hosts=("*",))
    with pytest.raises(HostNotAllowed, match=r"^spec\.highq\.url: the host 127\.0\.0\.1 is"):
        everything.check(spec(highq={"url": "https://127.0.0.1:8443/acme"}))


def test_the_defaults_let_highq_be_named_and_any_directory() -> None:
    """What the chart sets unless told otherwise."""
    Allow().check(spec())


@pytest.mark.parametrize(
    ("allow", "changes", "field", "host", "value"),
    [
        (
            Allow(),
            {"highq": {"url": "https://evil.example/acme"}},
            "spec.highq.url",
            "evil.example",
            "allow.highqHosts",
        ),
        (
            Allow(directory_hosts=("*.ad.example",)),
            {},
            "spec.activeDirectory.servers[0]",
            "dc1.corp.example",
            "allow.directoryHosts",
        ),
    ],
)
def test_a_refusal_names_the_field_the_host_and_the_way_out(
    allow: Allow, changes: dict[str, Any], field: str, host: str, value: str
) -> None:
    """Whoever reads it knows what to change, and whom to ask."""
    with pytest.raises(HostNotAllowed) as caught:
        allow.check(spec(**changes))
    assert str(caught.value).startswith(f"{field}: the host {host} is not allowed here")
    assert value in str(caught.value)


@pytest.mark.parametrize(
    ("allow", "told"),
    [
        (
            Allow(highq_hosts=("*.ad.example", "x:1")),
            "(allowed: *.ad.example, x:1; the port is 443)",
        ),
        (Allow(highq_hosts=()), "(allowed: none; the port is 443)"),
    ],
)
def test_a_refusal_tells_what_would_be_allowed(allow: Allow, told: str) -> None:
    """With the port, which a pattern may ask for and a URL need not spell."""
    with pytest.raises(HostNotAllowed) as caught:
        allow.check(spec())
    assert told in str(caught.value)


def test_every_field_that_is_refused_has_its_line() -> None:
    """Mended in one go."""
    servers = ["ldaps://dc1.corp.example", "ldaps://dc1.ad.example", "ldap://dc3.corp.example"]
    allow = Allow(highq_hosts=(), directory_hosts=("*.ad.example",))
    with pytest.raises(HostNotAllowed) as caught:
        allow.check(spec(directory={"servers": servers}))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "spec.highq.url",
        "spec.activeDirectory.servers[0]",
        "spec.activeDirectory.servers[2]",
    ]
