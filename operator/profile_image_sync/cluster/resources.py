"""Reads resources as a person's kubeconfig may see them, and sets the annotations that ask for something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from profile_image_sync import names
from profile_image_sync.api.status import Condition, ConditionType, ProfileImageSyncStatus
from profile_image_sync.controller.bodies import annotations_of
from profile_image_sync.controller.stored import read_status
from profile_image_sync.errors import PermanentError
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiNotFound
from profile_image_sync.kube.resources import Body, ObjectRef

FIELD_MANAGER = f"{names.PRODUCT}-cli"


class NoSuchResource(PermanentError):
    """There is no ProfileImageSync of this name, or the cluster does not know the kind."""


@dataclass(frozen=True, slots=True)
class SyncResource:
    """One ProfileImageSync, read tolerantly: its spec may be of another version, or not valid."""

    namespace: str
    name: str
    created: datetime
    annotations: dict[str, str]
    highq_url: str
    highq_secret: str
    status: ProfileImageSyncStatus

    @classmethod
    def of(cls, body: Body) -> Self:
        """Take what the API server returned."""
        metadata, highq = body["metadata"], body.get("spec", {}).get("highq", {})
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            created=datetime.fromisoformat(metadata["creationTimestamp"]),
            annotations=annotations_of(body),
            highq_url=str(highq.get("url", "")),
            highq_secret=str(highq.get("credentialsSecretRef", {}).get("name", "")),
            status=read_status(body),
        )

    def condition(self, kind: ConditionType) -> Condition | None:
        """Return the condition of this type; None: the resource has none."""
        return next((each for each in self.status.conditions if each.type is kind), None)


@contextmanager
def connected(context: str | None) -> Iterator[ApiClient]:
    """Connect as kubectl does. Raises ApiUnavailable."""
    with ApiClient.connect_as_user(context, field_manager=FIELD_MANAGER) as client:
        yield client


def read_all(client: ApiClient, namespace: str) -> list[SyncResource]:
    """Return the resources of a namespace ("": of all), by namespace and name. Raises NoSuchResource."""
    try:
        found = [SyncResource.of(body) for body in client.list(ObjectRef(names.KIND, namespace))]
    except ApiNotFound:
        raise NoSuchResource(
            f"this cluster has no {names.PLURAL}.{names.GROUP}: install the chart, or choose another cluster "
            "with --context"
        ) from None
    return sorted(found, key=lambda each: (each.namespace, each.name))


def read_one(client: ApiClient, namespace: str, name: str) -> SyncResource:
    """Return one resource. Raises NoSuchResource."""
    body = client.get(_ref(namespace, name))
    if body is None:
        raise NoSuchResource(
            f"there is no ProfileImageSync {name} in namespace {namespace}: see "
            f"`{names.PRODUCT} status --all-namespaces`, and give its namespace with -n"
        )
    return SyncResource.of(body)


def annotate(client: ApiClient, resource: SyncResource, annotation: str, value: str) -> None:
    """Set one annotation; everything else stays as it is."""
    ref = _ref(resource.namespace, resource.name)
    metadata = {"name": ref.name, "namespace": ref.namespace, "annotations": {annotation: value}}
    client.patch({"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata})


def _ref(namespace: str, name: str) -> ObjectRef:
    return ObjectRef(names.KIND, namespace, name)
