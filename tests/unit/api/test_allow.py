"""Which hosts a resource may name: a table."""

from __future__ import annotations

from typing import Any

import pytest

from profile_image_sync.api.allow import Allow, allows
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
    ("host", "patterns", "allowed"),
    [
        ("acme.highq.com", ("*.highq.com",), True),
        ("ACME.HighQ.com", ("*.highq.com",), True),
        ("acme.eu.highq.com", ("*.highq.com",), True),
        ("highq.com", ("*.highq.com",), False),
        ("evilhighq.com", ("*.highq.com",), False),
        ("acme.highq.com.evil.example", ("*.highq.com",), False),
        ("dc1", ("*",), True),
        ("dc1", (), False),
        ("dc2", ("dc1", "dc2"), True),
    ],
)
def test_a_host_must_fit_a_pattern_as_a_whole(
    host: str, patterns: tuple[str, ...], allowed: bool
) -> None:
    """Whatever the case; a star stands for any characters, dots too."""
    assert allows(host, patterns) is allowed


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
