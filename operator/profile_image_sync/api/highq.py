"""`spec.highq`: the instance that gets the pictures, and whose picture goes to whom."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from profile_image_sync.api.activedirectory import HOST, PORT, AttributeName
from profile_image_sync.api.model import LIST_TYPE, ApiModel, Rule, matches
from profile_image_sync.api.object_references import CABundleRef, SecretRef

# The instance is one path segment, as the browser shows it: https://HOST/INSTANCE/sitehome.action
InstanceURL = Annotated[
    str,
    Field(max_length=512),
    matches(
        rf"https://{HOST}(?:{PORT})?/[A-Za-z0-9_][-._A-Za-z0-9]*/?",
        "must be https://host/instance, without user, password, query or further path",
        quote=True,
    ),
    AfterValidator(lambda url: url.rstrip("/")),
]
ProxyURL = Annotated[
    str,
    Field(max_length=512),
    matches(
        rf"https?://{HOST}(?:{PORT})?/?",
        "must be http://host:port or https://host:port, without user or password",
        quote=True,
    ),
]


class Endpoint(StrEnum):
    """Which call of HighQ's API takes the picture."""

    AVATAR = "Avatar"
    PROFILE_IMAGE = "ProfileImage"


class MatchKey(StrEnum):
    """What a HighQ user can be known by."""

    EMAIL = "email"
    EXTERNALID = "externalid"


class MatchRule(ApiModel):
    """One way to find a person's HighQ user."""

    active_directory: AttributeName = Field(examples=["mail"])
    """The attribute of the person, by its LDAP name. proxyAddresses stands for the primary SMTP
    address among them."""
    highq: MatchKey = Field(examples=["email"])
    """What it must equal in HighQ, whatever the case: the user's email address or external id."""


class Proxy(ApiModel):
    """The way out to HighQ."""

    url: ProxyURL = Field(examples=["http://proxy.corp.example:3128"])
    """Address of the proxy, without user and password."""
    credentials_secret_ref: SecretRef | None = None
    """Who we are to the proxy: a Secret with the keys username and password. Omitted: no one."""


_DEFAULT_MATCH = (
    MatchRule(active_directory="mail", highq=MatchKey.EMAIL),
    MatchRule(active_directory="userPrincipalName", highq=MatchKey.EMAIL),
)


class HighQ(ApiModel):
    """The HighQ instance that gets the pictures."""

    url: InstanceURL = Field(examples=["https://acme.highq.com/acme"])
    """Host and instance as people see them in the browser; https only."""
    credentials_secret_ref: SecretRef
    """The OAuth client: a Secret with the keys clientId, clientSecret and refreshToken. HighQ gives the
    refresh token to a system administrator who authorises the client in a browser."""
    endpoint: Endpoint = Endpoint.AVATAR
    """Avatar: POST /api/5/users/ID/avatar. ProfileImage: POST /api/2/users/ID/profileimage, for
    instances without the former."""
    match: Annotated[
        tuple[MatchRule, ...],
        Field(min_length=1, max_length=8, json_schema_extra={LIST_TYPE: "atomic"}),
        Rule(
            cel="self.all(x, self.exists_one(y, y.highq == x.highq"
            " && y.activeDirectory.lowerAscii() == x.activeDirectory.lowerAscii()))",
            holds=lambda rules: (
                len({(rule.highq, rule.active_directory.lower()) for rule in rules}) == len(rules)
            ),
            message="must not hold the same rule twice",
        ),
    ] = _DEFAULT_MATCH
    """How a person's HighQ user is found: rules, tried in order. A person who is not led to exactly
    one active user, or who shares that user with another person, gets no picture."""
    requests_per_minute: Annotated[int, Field(strict=True, ge=1, le=6000)] | None = Field(
        None, examples=[120]
    )
    """Our own ceiling of requests a minute. Omitted: as fast as HighQ allows."""
    proxy: Proxy | None = None
    """The proxy to HighQ. Not built yet: set HTTPS_PROXY and NO_PROXY in the worker's environment,
    which is also what omitting it means."""
    ca_bundle_ref: CABundleRef | None = None
    """Authorities that HighQ's certificate may come from, for a proxy that opens TLS. Omitted: the
    system's store."""

    @property
    def address(self) -> str:
        """`host/instance`: what a state is bound to, whatever the case the URL is written in."""
        return self.url.removeprefix("https://").lower()
