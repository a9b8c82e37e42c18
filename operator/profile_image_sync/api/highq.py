"""`spec.highq`: the HighQ instance, and how a person's HighQ user is found."""

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
    """The HighQ API call that uploads a picture."""

    AVATAR = "Avatar"
    PROFILE_IMAGE = "ProfileImage"


class MatchKey(StrEnum):
    """A field of a HighQ user that a person can be matched by."""

    EMAIL = "email"
    EXTERNALID = "externalid"


class MatchRule(ApiModel):
    """One way to find a person's HighQ user."""

    active_directory: AttributeName = Field(examples=["mail"])
    """LDAP name of the person's attribute. For proxyAddresses, the primary SMTP address is used."""
    highq: MatchKey = Field(examples=["email"])
    """Field of the HighQ user that must have the same value: email or externalid. Upper and lower case are
    the same."""


class Proxy(ApiModel):
    """The HTTP proxy between the worker and HighQ."""

    url: ProxyURL = Field(examples=["http://proxy.corp.example:3128"])
    """Address of the proxy, without user name and password."""
    credentials_secret_ref: SecretRef | None = None
    """Proxy credentials: a Secret with the keys username and password. Omit for none."""


_DEFAULT_MATCH = (
    MatchRule(active_directory="mail", highq=MatchKey.EMAIL),
    MatchRule(active_directory="userPrincipalName", highq=MatchKey.EMAIL),
)


class HighQ(ApiModel):
    """The HighQ instance to upload to, and how people are matched to its users."""

    url: InstanceURL = Field(examples=["https://acme.highq.com/acme"])
    """Address of the instance as shown in the browser: https://HOST/INSTANCE."""
    credentials_secret_ref: SecretRef
    """OAuth client and authorisation: a Secret with the keys clientId, clientSecret and refreshToken. The
    refresh token comes from a system administrator's consent in the browser (docs/authorise.md)."""
    endpoint: Endpoint = Endpoint.AVATAR
    """API call that uploads a picture. Avatar: POST /api/5/users/ID/avatar. ProfileImage: POST
    /api/2/users/ID/profileimage, for instances that do not have Avatar."""
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
    """Rules that find a person's HighQ user, tried in order. No picture is uploaded for a person who
    matches no active user or several, or whose user another person matches too."""
    requests_per_minute: Annotated[int, Field(strict=True, ge=1, le=6000)] | None = Field(
        None, examples=[120]
    )
    """Upper limit of requests to HighQ per minute. Omitted: as fast as HighQ allows."""
    proxy: Proxy | None = None
    """The HTTP proxy to HighQ, used whatever the environment says. Omitted: HTTPS_PROXY and NO_PROXY of the
    worker's environment."""
    ca_bundle_ref: CABundleRef | None = None
    """Certificate authorities for HighQ's certificate, for a proxy that inspects TLS. Omitted: the system's
    trust store."""

    @property
    def address(self) -> str:
        """`host/instance` in lower case: a state is bound to it."""
        return self.url.removeprefix("https://").lower()
