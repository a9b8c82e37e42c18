"""The API server as a run's ServiceAccount sees it: named objects of one namespace, read and written.

Takes from `kubernetes` only what carries requests: its models of the core API cost half a second and
20 MiB more (measured, version 37). Decides nothing, and never quotes an answer: it may hold a Secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from profile_image_sync import names
from profile_image_sync.errors import StateUnavailable
from profile_image_sync.pod.objects import (
    Kind,
    LeaseRecord,
    Record,
    lease_body,
    lease_of,
    record_body,
    record_of,
)

FIELD_MANAGER = f"{names.PRODUCT}-worker"
PAUSE_SECONDS = 0.5  # after the first attempt; doubled after each further one

_GROUPS: Final = {
    Kind.CONFIG_MAP: ("v1", "/api/v1", "configmaps"),
    Kind.SECRET: ("v1", "/api/v1", "secrets"),
    Kind.LEASE: ("coordination.k8s.io/v1", "/apis/coordination.k8s.io/v1", "leases"),
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How hard an answer is sought."""

    attempts: int
    timeouts: tuple[float, float]  # seconds: for the connection, without a byte


PATIENT = RetryPolicy(attempts=4, timeouts=(5.0, 15.0))
QUICK = RetryPolicy(attempts=1, timeouts=(3.0, 5.0))  # for who asks again anyway, and soon


class ConflictError(Exception):
    """The object is not as it was read: someone else has changed, made or removed it."""


class Cluster:
    """One namespace of the API server. Used by several threads.

    Every method raises StateUnavailable when the server cannot be reached, keeps failing or refuses,
    with the object and the remedy.
    """

    def __init__(
        self, configuration: Configuration, namespace: str, sleep: Callable[[float], None]
    ) -> None:
        """Take where the server is and who we are; nothing is called yet."""
        configuration.retries = False  # we know which requests may be repeated
        self._api = ApiClient(configuration)
        self.namespace = namespace
        self._sleep = sleep

    @classmethod
    def connect(
        cls, namespace: str, environment: Mapping[str, str], sleep: Callable[[float], None]
    ) -> Self:
        """Use the pod's ServiceAccount, or KUBECONFIG where that is set. Raises StateUnavailable."""
        configuration = Configuration()
        try:
            if path := environment.get("KUBECONFIG"):
                config.load_kube_config(config_file=path, client_configuration=configuration)
            else:
                config.load_incluster_config(client_configuration=configuration)
                configuration.proxy = None  # HTTPS_PROXY of a pod leads to HighQ, not here
        except config.ConfigException as error:
            raise StateUnavailable(
                f"the API server is not known ({error}): this command runs in the pods that the operator "
                "makes; elsewhere, use `sync -f`"
            ) from None
        return cls(configuration, namespace, sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._api.close()

    def place(self, kind: Kind, name: str) -> str:
        """Name an object in words, for messages."""
        return f"{kind} {name} in namespace {self.namespace}"

    def read(self, kind: Kind, name: str) -> Record | None:
        """Return a ConfigMap or a Secret; None: there is none."""
        answer = self._ask("GET", kind, name)
        return record_of(kind, answer) if answer is not None else None

    def create(self, record: Record) -> Record:
        """Make the object; return it as stored. Raises ConflictError when it is there."""
        answer = self._ask("POST", record.kind, record.name, record_body(record))
        return record_of(record.kind, answer)

    def replace(self, record: Record, *, dry_run: bool = False) -> Record:
        """Replace the object that was read; return it as stored. Raises ConflictError."""
        answer = self._ask("PUT", record.kind, record.name, record_body(record), dry_run=dry_run)
        return record_of(record.kind, answer)

    def read_lease(self, name: str, *, effort: RetryPolicy = PATIENT) -> LeaseRecord | None:
        """Return the Lease; None: there is none."""
        answer = self._ask("GET", Kind.LEASE, name, effort=effort)
        return lease_of(answer) if answer is not None else None

    def replace_lease(self, lease: LeaseRecord, *, effort: RetryPolicy = PATIENT) -> LeaseRecord:
        """Replace the Lease that was read; return it as stored. Raises ConflictError."""
        body = lease_body(lease)
        return lease_of(self._ask("PUT", Kind.LEASE, lease.name, body, effort=effort))

    def _ask(
        self,
        method: str,
        kind: Kind,
        name: str,
        body: Any = None,
        *,
        dry_run: bool = False,
        effort: RetryPolicy = PATIENT,
    ) -> Any:
        """Ask until there is an answer that waiting does not change; return it, None for a 404 of GET."""
        request = self._request(method, kind, name, body, dry_run=dry_run)
        attempt = 0
        while True:
            attempt += 1
            try:
                status, data = self._send(request, effort)
                return _answer(method, self.place(kind, name), status, data)
            except _PassingError as trouble:
                if attempt == effort.attempts:
                    raise StateUnavailable(
                        f"{self.place(kind, name)}: the API server {trouble}; "
                        "see whether it is well and can be reached from this pod"
                    ) from None
            self._sleep(PAUSE_SECONDS * 2 ** (attempt - 1))

    def _request(self, method: str, kind: Kind, name: str, body: Any, *, dry_run: bool) -> Any:
        version, group, plural = _GROUPS[kind]
        path = f"{group}/namespaces/{self.namespace}/{plural}"
        query = [] if method == "GET" else [("fieldManager", FIELD_MANAGER)]
        query += [("dryRun", "All")] if dry_run else []
        return self._api.param_serialize(
            method,
            path if method == "POST" else f"{path}/{name}",
            query_params=query,
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=body and {"apiVersion": version, "kind": kind.value} | body,
            auth_settings=["BearerToken"],
        )

    def _send(self, request: Any, effort: RetryPolicy) -> tuple[int, bytes]:
        try:
            response = self._api.call_api(*request, _request_timeout=effort.timeouts)
            return response.status, response.read()
        except ApiException as error:  # TLS: its name, then its words
            raise _PassingError(f"cannot be reached ({error.reason.splitlines()[-1]})") from None
        except HTTPError as error:  # urllib3's texts hold addresses of memory
            raise _PassingError(f"cannot be reached ({type(error).__name__})") from None


class _PassingError(Exception):
    """Trouble that may pass, in words that go on from "the API server"."""


_PASSING = {
    HTTPStatus.CONFLICT,  # of a quota, when an object is made
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


def _answer(method: str, place: str, status: int, data: bytes) -> Any:
    """Return the object of a yes, None for a 404 of GET; or raise what the answer means.

    Only the status and its CamelCase word are shown of a no: its message may quote what was sent.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return json.loads(data)
    reason = _reason(data)
    answer = f"{status} {reason}".rstrip()
    if status == HTTPStatus.NOT_FOUND and method == "GET":
        return None
    if status == HTTPStatus.NOT_FOUND and method == "PUT":
        raise ConflictError(f"{place} has been removed")
    if status == HTTPStatus.CONFLICT and (method == "PUT" or reason == "AlreadyExists"):
        raise ConflictError(f"{place} has been changed or made by someone else")
    if status in _PASSING:
        raise _PassingError(f"answers {answer}")
    verb = {"GET": "get", "POST": "create", "PUT": "update"}[method]
    if status == HTTPStatus.FORBIDDEN:
        raise StateUnavailable(
            f"{place}: this pod's ServiceAccount may not {verb} it ({answer}): the Role of the resource "
            "or its binding is missing or was changed, the operator mends them while it runs; or the "
            "namespace is being deleted"
        )
    raise StateUnavailable(
        f"{place}: the API server refuses to {verb} it ({answer}): see its audit log, and admission "
        "webhooks and quotas of the namespace"
    )


def _reason(data: bytes) -> str:
    try:
        return str(json.loads(data)["reason"])
    except (ValueError, TypeError, KeyError):
        return ""
