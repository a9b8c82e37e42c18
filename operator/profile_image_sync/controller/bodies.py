"""What the bodies of all children have in common: names, labels, owners. Pure.

ownerReferences are our own: kopf.adopt copies the owner's labels, so that Argo CD takes our children
for its own and prunes them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from profile_image_sync import names
from profile_image_sync.api.spec import ProfileImageSync, ProfileImageSyncSpec

Body = dict[str, Any]  # a Kubernetes object

WORKER = "worker"
# of a Job
REQUESTS_ANNOTATION = f"{names.GROUP}/requests"  # the run requests it serves, a JSON list
TRIGGER_ANNOTATION = f"{names.GROUP}/trigger"
GENERATION_ANNOTATION = f"{names.GROUP}/generation"  # of the spec in its template
TEMPLATE_ANNOTATION = f"{names.GROUP}/template"  # digest of what its pods are
REFERENCES_ANNOTATION = f"{names.GROUP}/references"  # versions of what its spec names
# of what is kept in line
APPLIED_ANNOTATION = f"{names.GROUP}/applied"  # digest of what we last wanted


@dataclass(frozen=True, slots=True)
class Tenant:
    """One resource, as far as its children need to know."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: ProfileImageSyncSpec

    @classmethod
    def of(cls, resource: ProfileImageSync, uid: str) -> Tenant:
        """Take what the API server returned."""
        meta = resource.metadata
        return cls(meta.name, meta.namespace or "default", uid, meta.generation or 0, resource.spec)

    @property
    def identity(self) -> str:
        """What spreads @…-random schedules."""
        return f"{self.namespace}/{self.name}"


def owner(tenant: Tenant) -> Body:
    """Return the reference that lets the garbage collector take a child with its resource."""
    return names.owner(tenant.name, tenant.uid)


def new_object(
    tenant: Tenant, api_version: str, kind: str, name: str, component: str, *, owned: bool = True
) -> Body:
    """Return an object with its metadata; `owned`: it goes when the resource goes."""
    metadata: Body = {
        "name": name,
        "namespace": tenant.namespace,
        "labels": names.labels(tenant.name, component),
    }
    if owned:
        metadata["ownerReferences"] = [owner(tenant)]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def annotations_of(body: Body) -> dict[str, str]:
    """Return the annotations of an object."""
    found: dict[str, str] = body["metadata"].get("annotations") or {}
    return found


def controller_of(body: Body) -> Body | None:
    """Return the reference to the controller of an object."""
    owners: list[Body] = body["metadata"].get("ownerReferences") or []
    return next((each for each in owners if each.get("controller")), None)


def key_of(body: Body) -> Body:
    """Return as much of an object as says which one it is."""
    meta = body["metadata"]
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
    }


def with_spec_hash(body: Body) -> Body:
    """Return an object with a digest of itself, so that a field we no longer want is noticed."""
    annotations = {APPLIED_ANNOTATION: digest(body)}
    return body | {"metadata": body["metadata"] | {"annotations": annotations}}


def digest(body: Body) -> str:
    """Return a short digest of a body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
