"""`spec.activeDirectory`: the servers to read from, and which people and attributes to read."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from profile_image_sync.api.durations import GoDuration
from profile_image_sync.api.model import LIST_TYPE, ApiModel, Flag, Rule, distinct, matches
from profile_image_sync.api.object_references import CABundleRef, SecretRef

_LABEL = "[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
HOST = rf"{_LABEL}(?:\.{_LABEL})*"
PORT = ":(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

Server = Annotated[
    str,
    Field(max_length=280),
    matches(
        rf"ldaps?://{HOST}(?:{PORT})?",
        "must be ldaps://host or ldap://host (StartTLS), with a port if need be and nothing after it",
        quote=True,
    ),
]
DomainName = Annotated[
    str,
    Field(max_length=253),
    matches(rf"{HOST}", "must be a DNS name such as corp.example", quote=True),
]
DistinguishedName = Annotated[
    str,
    Field(max_length=1024),
    matches(
        "[A-Za-z0-9][-.A-Za-z0-9]* *=.*[^, ]",
        "must be a distinguished name such as OU=People,DC=corp,DC=example",
        quote=True,
    ),
]
AttributeName = Annotated[
    str,
    Field(max_length=256),
    matches(
        "[A-Za-z][-A-Za-z0-9]*", "must be the LDAP name of an attribute, such as mail", quote=True
    ),
]
# Brackets in values are written \28 and \29, so counting them is enough here; worker/directory/filters.py
# parses the whole filter.
UserFilter = Annotated[
    str,
    Field(max_length=4096),
    Rule(
        cel="self == '' || (self.startsWith('(') && self.endsWith(')')"
        " && self.split('(').size() == self.split(')').size())",
        holds=lambda text: (
            not text or (text[0] == "(" and text[-1] == ")" and text.count("(") == text.count(")"))
        ),
        message="must be an LDAP filter in brackets that pair, such as (department=Legal)",
    ),
]


class ActiveDirectory(ApiModel):
    """Domain controllers, the account to read with, and which people and attributes to read."""

    rules = (
        Rule(
            field="servers",
            cel="has(self.servers) != has(self.domain)",
            holds=lambda spec: (spec.servers is None) != (spec.domain is None),
            message="must be given, or domain instead: exactly one of the two",
        ),
    )

    servers: (
        Annotated[
            tuple[Server, ...],
            Field(min_length=1, max_length=16, json_schema_extra={LIST_TYPE: "atomic"}),
            distinct("server"),
        ]
        | None
    ) = Field(None, examples=[["ldaps://dc1.corp.example", "ldaps://dc2.corp.example"]])
    """Domain controllers in order of preference. The next one is used only when one cannot be reached.
    ldaps:// (port 636), or ldap:// (port 389) with StartTLS; clear text is never used. The server's
    certificate must be valid for the host as written here. Give either servers or domain."""
    domain: DomainName | None = Field(None, examples=["corp.example"])
    """Instead of servers: find domain controllers by the DNS SRV records of this domain. Hosts outside of
    the domain are not used; port 636 (ldaps) is. Their certificates must be valid for the names in DNS."""
    search_bases: tuple[DistinguishedName, ...] = Field(
        (),
        max_length=32,
        examples=[["OU=People,DC=corp,DC=example"]],
        json_schema_extra={LIST_TYPE: "set"},
    )
    """Distinguished names of the subtrees to read people from. Empty: the whole domain."""
    user_filter: UserFilter = Field("", examples=["(department=Legal)"])
    """An LDAP filter; only people who match it are read. Empty: all people."""
    groups: tuple[DistinguishedName, ...] = Field(
        (),
        max_length=64,
        examples=[["CN=HighQ Users,OU=Groups,DC=corp,DC=example"]],
        json_schema_extra={LIST_TYPE: "set"},
    )
    """Distinguished names of groups. Only their members are read, members of nested groups too. Empty:
    all people."""
    include_disabled: Flag = False
    """Also read people whose account is disabled in Active Directory."""
    image_attributes: Annotated[
        tuple[AttributeName, ...],
        Field(min_length=1, max_length=8, json_schema_extra={LIST_TYPE: "atomic"}),
        distinct("attribute"),
    ] = Field(("thumbnailPhoto",), examples=[["jpegPhoto", "thumbnailPhoto"]])
    """Attributes that may hold the picture, in order. The first one that a person has is used."""
    credentials_secret_ref: SecretRef
    """The account that reads the directory: a Secret with the keys username and password, of type
    kubernetes.io/basic-auth."""
    ca_bundle_ref: CABundleRef | None = None
    """Certificate authorities for the servers' certificates. Omitted: the system's trust store."""
    full_sweep_interval: Annotated[timedelta, GoDuration("1m", "8760h")] = Field(
        timedelta(hours=168), examples=["24h"]
    )
    """Longest time between two full sweeps, as a Go duration (h, m, s). A full sweep reads all people, other
    runs read only who changed. A request and an edit of the scope start a full sweep as well."""
