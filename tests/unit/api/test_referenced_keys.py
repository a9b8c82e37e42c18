"""What a spec needs of Secrets and ConfigMaps: the operator mounts exactly this, and a run reads it."""

from __future__ import annotations

from typing import Any

from profile_image_sync.api.referenced_keys import ReferencedKey, referenced_keys
from profile_image_sync.api.spec import ProfileImageSyncSpec

AD: dict[str, Any] = {"domain": "corp.example", "credentialsSecretRef": {"name": "ad"}}
HIGHQ: dict[str, Any] = {"url": "https://h.example/acme", "credentialsSecretRef": {"name": "hq"}}
BIND = [
    ReferencedKey("spec.activeDirectory.credentialsSecretRef", "Secret", "ad", key)
    for key in ("username", "password")
]
OAUTH = [
    ReferencedKey("spec.highq.credentialsSecretRef", "Secret", "hq", key)
    for key in ("clientId", "clientSecret", "refreshToken")
]


def keys_of(ad: dict[str, Any], highq: dict[str, Any]) -> list[ReferencedKey]:
    """Return what a spec with these sections refers to."""
    spec = {"mode": "OneOff", "activeDirectory": AD | ad, "highq": HIGHQ | highq}
    return referenced_keys(ProfileImageSyncSpec.model_validate(spec))


def test_the_credentials_of_both_sides_are_needed() -> None:
    """And nothing else, where the spec names nothing else."""
    assert keys_of({}, {}) == [*BIND, *OAUTH]


def test_certificates_of_either_side_are_mounted_by_kind_and_key() -> None:
    """A ConfigMap and `ca.crt`, unless the spec says otherwise."""
    own = {"kind": "Secret", "name": "hq-ca", "key": "root.pem"}
    assert keys_of({"caBundleRef": {"name": "ad-ca"}}, {"caBundleRef": own}) == [
        *BIND,
        ReferencedKey("spec.activeDirectory.caBundleRef", "ConfigMap", "ad-ca", "ca.crt"),
        *OAUTH,
        ReferencedKey("spec.highq.caBundleRef", "Secret", "hq-ca", "root.pem"),
    ]


def test_a_proxy_needs_credentials_only_where_it_names_some() -> None:
    """Many proxies ask for none."""
    proxy: dict[str, Any] = {"url": "http://proxy.example:3128"}
    assert keys_of({}, {"proxy": proxy}) == [*BIND, *OAUTH]
    named = proxy | {"credentialsSecretRef": {"name": "proxy"}}
    field = "spec.highq.proxy.credentialsSecretRef"
    assert keys_of({}, {"proxy": named}) == [
        *BIND,
        *OAUTH,
        ReferencedKey(field, "Secret", "proxy", "username"),
        ReferencedKey(field, "Secret", "proxy", "password"),
    ]
