"""How a spec names Secrets and ConfigMaps: by name only, always in the resource's own namespace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from profile_image_sync import names
from profile_image_sync.api.model import ApiModel, Rule, matches

ReferenceKind = Literal["ConfigMap", "Secret"]

_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"

NAME_RULE = matches(
    rf"{_LABEL}(?:\.{_LABEL})*", "must be a name as Kubernetes takes it: a-z, 0-9, - and ."
)

# "token-x" would have children of the names that the tokens of a Secret "x" have
NO_TOKEN_NAME = Rule(
    cel=f"!self.startsWith('{names.TOKEN_PREFIX}')",
    holds=lambda name: not name.startswith(names.TOKEN_PREFIX),
    message=f"must not begin with {names.TOKEN_PREFIX}: those names belong to the tokens of Secrets",
)

ObjectName = Annotated[str, Field(min_length=1, max_length=253), NAME_RULE]
KeyName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    matches(
        r"\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*",
        "must be a key of a Secret or ConfigMap: letters, digits, -, _ and .",
    ),
]


# names of our own objects are built from it
SecretName = Annotated[str, Field(min_length=1, max_length=240), NAME_RULE]


class SecretRef(ApiModel):
    """A Secret in the namespace of this resource."""

    name: SecretName = Field(examples=["ad-bind"])
    """Name of the Secret, in the namespace of this resource."""


class CABundleRef(ApiModel):
    """Certificate authorities to trust instead of the system's trust store, in PEM."""

    kind: ReferenceKind = "ConfigMap"
    """Kind of the object that holds the certificates: ConfigMap or Secret."""
    name: ObjectName = Field(examples=["corp-ca"])
    """Name of the ConfigMap or Secret, in the namespace of this resource."""
    key: KeyName = "ca.crt"
    """Key of the object that holds the certificates, in PEM, one after another."""
