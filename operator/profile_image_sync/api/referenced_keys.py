"""The keys of Secrets and ConfigMaps that a spec needs: mounted by the operator, checked by a run.

Apart, so that what is mounted and what is read cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from profile_image_sync.api.object_references import ReferenceKind
from profile_image_sync.api.spec import ProfileImageSyncSpec

BIND_KEYS = ("username", "password")
PROXY_KEYS = ("username", "password")
OAUTH_KEYS = ("clientId", "clientSecret", "refreshToken")


@dataclass(frozen=True, slots=True)
class ReferencedKey:
    """One key of an object in the resource's namespace, and the field that names the object."""

    field: str
    kind: ReferenceKind
    name: str
    key: str


def referenced_keys(spec: ProfileImageSyncSpec) -> list[ReferencedKey]:
    """Return everything that the spec refers to, in the order of the fields."""
    found: list[ReferencedKey] = []
    sections = (
        ("activeDirectory", spec.active_directory, BIND_KEYS),
        ("highq", spec.highq, OAUTH_KEYS),
    )
    for name, section, keys in sections:
        secret, field = section.credentials_secret_ref.name, f"spec.{name}.credentialsSecretRef"
        found += [ReferencedKey(field, "Secret", secret, key) for key in keys]
        if bundle := section.ca_bundle_ref:
            field = f"spec.{name}.caBundleRef"
            found.append(ReferencedKey(field, bundle.kind, bundle.name, bundle.key))
    if spec.highq.proxy and (secret_ref := spec.highq.proxy.credentials_secret_ref):
        field = "spec.highq.proxy.credentialsSecretRef"
        found += [ReferencedKey(field, "Secret", secret_ref.name, key) for key in PROXY_KEYS]
    return found
