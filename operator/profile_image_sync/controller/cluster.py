"""The operator's hands in the cluster: read, apply, create, watch. The only room here with a client.

It decides nothing, and touches only what it is given.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import (
    ConflictError,
    DynamicApiError,
    NotFoundError,
)
from urllib3.exceptions import HTTPError

from profile_image_sync import names
from profile_image_sync.controller.bodies import Body

FIELD_MANAGER = names.PRODUCT
WATCH_SECONDS = 300  # the API server ends a watch after so long; we begin a new one


class ClusterError(Exception):
    """The API server could not be reached or refused; tried again later."""


class Conflict(ClusterError):
    """Someone else wrote first, or the object is there already."""


class Cluster:
    """Talks to the API server. Used by several threads."""

    def __init__(self, client: ApiClient) -> None:
        """Take a client that knows the server and who we are."""
        cache = Path(tempfile.mkdtemp()) / "discovery.json"
        self._client = DynamicClient(client, cache_file=str(cache))

    @classmethod
    def connect(cls) -> Cluster:
        """Connect from inside a pod, or by KUBECONFIG elsewhere."""
        try:
            config.load_incluster_config()
        except config.ConfigException:
            config.load_kube_config()
        return cls(ApiClient())

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Body | None:
        """Return the object, or None."""
        try:
            return self._call("get", api_version, kind, namespace=namespace, name=name)
        except NotFoundError:
            return None

    def select(self, api_version: str, kind: str, namespace: str | None, labels: str) -> list[Body]:
        """Return the objects with these labels; `namespace` None: of all namespaces."""
        found = self._call("get", api_version, kind, namespace=namespace, label_selector=labels)
        items: list[Body] = found["items"]
        return items

    def create(self, body: Body) -> None:
        """Make an object. Raises Conflict when it is there."""
        self._call("create", *_kind(body), namespace=_namespace(body), body=body)

    def apply(self, body: Body) -> None:
        """Make the object, or bring our fields of it into line; others' fields stay."""
        self._call(
            "server_side_apply",
            *_kind(body),
            namespace=_namespace(body),
            body=body,
            field_manager=FIELD_MANAGER,
            force_conflicts=True,
        )

    def patch(self, body: Body) -> None:
        """Merge into the object that is there."""
        self._call(
            "patch",
            *_kind(body),
            namespace=_namespace(body),
            body=body,
            content_type="application/merge-patch+json",
        )

    def delete(self, body: Body) -> None:
        """Remove the object and, in the background, what it owns."""
        try:
            self._call(
                "delete",
                *_kind(body),
                namespace=_namespace(body),
                name=body["metadata"]["name"],
                body={"propagationPolicy": "Background"},
            )
        except NotFoundError:
            return

    def write_status(self, resource: Body) -> None:
        """Replace the status of our resource. Raises Conflict when the resource has changed."""
        self._call(
            "replace",
            *_kind(resource),
            namespace=_namespace(resource),
            body=resource,
            subresource="status",
        )

    def watch(
        self, api_version: str, kind: str, namespace: str | None, labels: str
    ) -> Iterator[Body]:
        """Yield each object, and again as it changes, for some minutes; then the caller begins anew."""
        resource = self._resource(api_version, kind)
        try:
            for event in resource.watch(
                namespace=namespace, label_selector=labels, timeout=WATCH_SECONDS
            ):
                yield event["raw_object"]
        except (DynamicApiError, ApiException, HTTPError) as error:
            raise ClusterError(f"watch of {kind}: {_words(error)}") from None

    def _resource(self, api_version: str, kind: str) -> Any:
        return self._client.resources.get(api_version=api_version, kind=kind)

    def _call(self, verb: str, api_version: str, kind: str, **arguments: Any) -> Body:
        """Do one request. Raises NotFoundError, Conflict, ClusterError."""
        try:
            resource = self._resource(api_version, kind)
            if subresource := arguments.pop("subresource", None):
                resource = resource.subresources[subresource]
            answer: Body = getattr(resource, verb)(**arguments).to_dict()
        except NotFoundError:
            raise
        except ConflictError as error:
            raise Conflict(f"{verb} {kind}: {_words(error)}") from None
        except (DynamicApiError, ApiException, HTTPError) as error:
            raise ClusterError(f"{verb} {kind}: {_words(error)}") from None
        return answer


def _words(error: Exception) -> str:
    """Say what went wrong without the answer's body, which may quote an object."""
    status, reason = getattr(error, "status", None), getattr(error, "reason", None)
    return f"{status} {reason}" if status else type(error).__name__


def _kind(body: Body) -> tuple[str, str]:
    return body["apiVersion"], body["kind"]


def _namespace(body: Body) -> str:
    namespace: str = body["metadata"]["namespace"]
    return namespace
