"""The operator's hands in the cluster: read, apply, create, watch. The only room here with a client.

It decides nothing, and touches only what it is given. Takes from `kubernetes` only what carries
requests: every one has a timeout, nothing is cached on disk, and no Secret's content is ever asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from profile_image_sync import names
from profile_image_sync.controller.bodies import Body

FIELD_MANAGER = names.PRODUCT
TIMEOUTS = (5.0, 30.0)  # seconds: for the connection, without a byte
WATCH_SECONDS = 1800  # the API server ends a watch after so long; we begin a new one
SILENT_SECONDS = 100.0  # a watch hears a bookmark about each minute, or it has gone blind
WORDS = 500  # characters of a refusal
PAGE = 500  # objects of an answer to a listing

_RBAC, _BATCH = "rbac.authorization.k8s.io/v1", "batch/v1"
_PLURALS: Final = {  # kind: API version, plural
    names.KIND: (names.API_VERSION, names.PLURAL),
    "ConfigMap": ("v1", "configmaps"),
    "CronJob": (_BATCH, "cronjobs"),
    "Event": ("events.k8s.io/v1", "events"),
    "Job": (_BATCH, "jobs"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "Role": (_RBAC, "roles"),
    "RoleBinding": (_RBAC, "rolebindings"),
    "Secret": ("v1", "secrets"),
    "ServiceAccount": ("v1", "serviceaccounts"),
}
_JSON = "application/json"
_METADATA = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class ClusterError(Exception):
    """The API server could not be reached or would not answer; tried again later."""


class Conflict(ClusterError):
    """Someone else wrote first, or the object is there already."""


class Refused(ClusterError):
    """The API server will not have what we write: forbidden, or not valid. Tried again later, too."""


class _NotThere(ClusterError):
    """There is no such object."""


class Cluster:
    """Talks to the API server. Used by several threads."""

    def __init__(self, configuration: Configuration) -> None:
        """Take where the server is and who we are; nothing is called yet."""
        configuration.retries = False  # the queue tries again, and knows what may be repeated
        self._api = ApiClient(configuration)

    @classmethod
    def connect(cls) -> Cluster:
        """Connect from inside a pod, or by KUBECONFIG elsewhere."""
        configuration = Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
            configuration.proxy = None  # HTTPS_PROXY of a pod leads to HighQ, not here
        except config.ConfigException:
            config.load_kube_config(client_configuration=configuration)
        return cls(configuration)

    def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """Return the object, of a Secret only its metadata, or None."""
        accept = _METADATA if kind == "Secret" else _JSON
        try:
            return self._call("GET", kind, namespace, name, accept=accept)
        except _NotThere:
            return None

    def version(self, kind: str, namespace: str, name: str) -> str | None:
        """Return the object's resourceVersion, or None; its content is not asked for."""
        try:
            found = self._call("GET", kind, namespace, name, accept=_METADATA)
        except _NotThere:
            return None
        version: str = found["metadata"]["resourceVersion"]
        return version

    def select(
        self, kind: str, namespace: str | None, labels: str, *, metadata_only: bool = False
    ) -> Iterator[Body]:
        """Yield the objects with these labels; `namespace` None: of all namespaces."""
        more, accept = "", _METADATA.replace("Metadata", "MetadataList") if metadata_only else _JSON
        while True:
            query = {"labelSelector": labels, "limit": str(PAGE)}
            query |= {"continue": more} if more else {}
            page = self._call("GET", kind, namespace, query=query, accept=accept)
            yield from page["items"] or []  # null when there are none
            more = page["metadata"].get("continue", "")
            if not more:
                return

    def create(self, body: Body) -> None:
        """Make an object. Raises Conflict when it is there."""
        kind, namespace, _ = _at(body)
        self._call("POST", kind, namespace, query={"fieldManager": FIELD_MANAGER}, body=body)

    def apply(self, body: Body) -> None:
        """Make the object, or bring our fields of it into line; others' fields stay."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        content = "application/apply-patch+yaml"
        self._call("PATCH", *_at(body), query=query, body=body, content=content)

    def patch(self, body: Body) -> None:
        """Merge into the object that is there."""
        query = {"fieldManager": FIELD_MANAGER}
        content = "application/merge-patch+json"
        self._call("PATCH", *_at(body), query=query, body=body, content=content)

    def delete(self, body: Body) -> None:
        """Remove the object and, in the background, what it owns."""
        try:
            self._call("DELETE", *_at(body), query={"propagationPolicy": "Background"})
        except _NotThere:
            return

    def write_status(self, resource: Body) -> None:
        """Replace the status of our resource. Raises Conflict when the resource has changed."""
        query = {"fieldManager": FIELD_MANAGER}
        self._call("PUT", *_at(resource), "status", query=query, body=resource)

    def watch(self, kind: str, namespace: str | None, labels: str) -> Iterator[Body]:
        """Yield each object, and again as it changes, for some time; then the caller begins anew."""
        query = {
            "watch": "true",
            "labelSelector": labels,
            "timeoutSeconds": str(WATCH_SECONDS),
            "allowWatchBookmarks": "true",
        }
        response = self._send("GET", kind, namespace, query=query, silence=SILENT_SECONDS)
        try:
            for line in response:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ClusterError(f"watch of {kind}: {event['object'].get('reason')}")
                if event["type"] != "BOOKMARK":
                    yield event["object"]
        except (HTTPError, ValueError) as error:  # cut off, also amid a line
            raise ClusterError(f"watch of {kind}: {type(error).__name__}") from None
        finally:
            response.close()

    def _call(
        self, method: str, kind: str, namespace: str | None, *name: str, **options: Any
    ) -> Body:
        """Do one request. Raises a ClusterError, each kind as its name says."""
        response = self._send(method, kind, namespace, *name, **options)
        try:
            answer: Body = json.loads(response.data)
        except (HTTPError, ValueError) as error:
            raise ClusterError(f"{method} {kind}: {type(error).__name__}") from None
        return answer

    def _send(
        self,
        method: str,
        kind: str,
        namespace: str | None,
        *name: str,
        query: dict[str, str] | None = None,
        body: Body | None = None,
        accept: str = _JSON,
        content: str = _JSON,
        silence: float = TIMEOUTS[1],
    ) -> Any:
        request = self._api.param_serialize(
            method,
            _path(kind, namespace, *name),
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, "Content-Type": content},
            body=json.dumps(body) if content.endswith("+yaml") else body,
            auth_settings=["BearerToken"],
        )
        try:
            timeouts = (TIMEOUTS[0], silence)
            response = self._api.call_api(*request, _request_timeout=timeouts).response
            if response.status < HTTPStatus.MULTIPLE_CHOICES:
                return response
            raise _no(" ".join((method, kind, *name)), response.status, response.data)
        except ApiException as error:  # TLS: its name, then its words
            words = str(error.reason).splitlines()[-1]
            raise ClusterError(f"{method} {kind}: {words}") from None
        except HTTPError as error:  # urllib3's texts hold addresses of memory
            raise ClusterError(f"{method} {kind}: {type(error).__name__}") from None


def _no(what: str, status: int, data: bytes) -> ClusterError:
    """Return what a no means. Its words are quoted only where they speak of what we wrote ourselves."""
    try:
        answer = json.loads(data)
        reason, message = answer.get("reason", ""), answer.get("message", "")
    except (ValueError, AttributeError):
        reason = message = ""
    told = f"{what}: {status} {reason}".rstrip()
    match status:
        case HTTPStatus.NOT_FOUND:
            return _NotThere(told)
        case HTTPStatus.CONFLICT:
            return Conflict(told)
        case HTTPStatus.BAD_REQUEST | HTTPStatus.FORBIDDEN | HTTPStatus.UNPROCESSABLE_ENTITY:
            return Refused(message[:WORDS] or told)
    return ClusterError(told)


def _path(kind: str, namespace: str | None, *name: str) -> str:
    version, plural = _PLURALS[kind]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inside = f"/namespaces/{namespace}" if namespace else ""
    return "/".join((f"{root}{inside}", plural, *name))


def _at(body: Body) -> tuple[str, str, str]:
    return body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]
