"""Requests to the API server: one retry policy, every request with a timeout.

Nothing is cached. Of a Secret the caller says whether its content is asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, SSLError

from profile_image_sync.kube.connection import ApiRequest, Connection
from profile_image_sync.kube.errors import ApiNotFound, ApiUnavailable
from profile_image_sync.kube.resources import Body, ObjectRef
from profile_image_sync.kube.responses import parse, unavailable
from profile_image_sync.kube.watch import WatchStream

PAUSE_SECONDS = 0.5  # after the first attempt; doubled after each further one
PAGE = 200  # objects of an answer to a listing
WATCH_SECONDS = 1800  # the API server ends a watch after so long; we begin a new one
SILENT_SECONDS = 80.0  # a watch hears a bookmark about each minute; else it may have gone blind

_JSON: Final = "application/json"
_METADATA: Final = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = _METADATA.replace("Metadata", "MetadataList")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How hard an answer is sought."""

    attempts: int
    timeouts: tuple[float, float]  # seconds: for the connection, without a byte


PATIENT = RetryPolicy(attempts=4, timeouts=(5.0, 15.0))
ONCE = RetryPolicy(attempts=1, timeouts=(5.0, 30.0))  # for whoever has a queue that tries again
QUICK = RetryPolicy(attempts=1, timeouts=(3.0, 5.0))  # for whoever asks again anyway, and soon

Kept = TypeVar("Kept")
OnResponse = Callable[[str, int], None]  # of each request: its method, and the status, 0 for none


def _ignore(_method: str, _status: int) -> None:
    """Count nothing."""


class ApiClient:
    """Talks to the API server; used by several threads. Every method raises ApiError."""

    def __init__(
        self,
        connection: Connection,
        *,
        field_manager: str,
        retry: RetryPolicy,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take where the server is, and how to behave; nothing is called yet."""
        self.on_response: OnResponse = _ignore
        self.namespace = connection.namespace
        self._connection = connection
        self._field_manager = field_manager
        self._retry = retry
        self._sleep = sleep

    @classmethod
    def connect(
        cls,
        environment: Mapping[str, str],
        *,
        field_manager: str,
        retry: RetryPolicy,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Use the pod's ServiceAccount, or KUBECONFIG where that is set. Raises ApiUnavailable."""
        connection = Connection.of_environment(environment)
        return cls(connection, field_manager=field_manager, retry=retry, sleep=sleep)

    @classmethod
    def connect_as_user(cls, context: str | None, *, field_manager: str) -> Self:
        """Use the kubeconfig as kubectl does; `context` None: the current one. Raises ApiUnavailable."""
        return cls(Connection.of_user(context), field_manager=field_manager, retry=PATIENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def get(self, ref: ObjectRef, *, retry: RetryPolicy | None = None) -> Body | None:
        """Return the object; None: there is none."""
        return self._get(ref, _JSON, retry)

    def get_metadata(self, ref: ObjectRef) -> Body | None:
        """Return only the object's metadata; None: there is none."""
        return self._get(ref, _METADATA, None)

    def list(
        self, ref: ObjectRef, labels: str = "", *, metadata_only: bool = False
    ) -> Iterator[Body]:
        """Yield the objects of a collection that have these labels, page by page."""
        for page in self._pages(ref, labels, metadata_only=metadata_only):
            yield from (ref.complete(each) for each in page["items"] or ())  # null: there are none

    def list_all(
        self, ref: ObjectRef, labels: str, *, metadata_only: bool, keep: Callable[[Body], Kept]
    ) -> tuple[Sequence[Kept], int]:
        """Return what `keep` makes of each object, and the version from which a watch goes on.

        No more than a page of bodies is held at a time.
        """
        found: list[Kept] = []
        version = 0
        for page in self._pages(ref, labels, metadata_only=metadata_only):
            found += [keep(ref.complete(each)) for each in page["items"] or ()]
            version = int(page["metadata"]["resourceVersion"])
        return found, version

    def watch(
        self,
        ref: ObjectRef,
        labels: str = "",
        *,
        version: int | None = None,
        metadata_only: bool = False,
    ) -> WatchStream:
        """Begin to watch a collection after this version; without one, with all objects as ADDED."""
        query = {
            "watch": "true",
            "labelSelector": labels,
            "timeoutSeconds": str(WATCH_SECONDS),
            "allowWatchBookmarks": "true",
        }
        query |= {} if version is None else {"resourceVersion": str(version)}
        accept = _METADATA if metadata_only else _JSON
        timeouts = (ONCE.timeouts[0], SILENT_SECONDS)
        response = self._send(self._request("GET", ref, query=query, accept=accept), ref, timeouts)
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            parse("GET", ref, response.status, response.data)
        return WatchStream(ref, response)

    def log(self, pod: ObjectRef, *, follow: bool) -> Iterator[str]:
        """Yield the lines of a pod's log; `follow`: until its container ends."""
        query = {"follow": "true"} if follow else {}
        request = self._request("GET", pod, subresource="/log", query=query, accept="*/*")
        timeouts = (PATIENT.timeouts[0], None if follow else PATIENT.timeouts[1])
        with self._send(request, pod, timeouts) as response:
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                parse("GET", pod, response.status, response.data)
            try:
                for line in response:
                    yield line.decode(errors="replace").rstrip("\n")
            except HTTPError as error:
                raise unavailable(pod, f"broke off the log ({type(error).__name__})") from None

    def create(self, body: Body, *, dry_run: bool = False) -> Body:
        """Make an object; return it as stored. Raises ApiConflict when it is there."""
        return self._write("POST", body, dry_run=dry_run)

    def replace(
        self, body: Body, *, dry_run: bool = False, retry: RetryPolicy | None = None
    ) -> Body:
        """Replace the object that was read; return it as stored. Raises ApiConflict."""
        return self._write("PUT", body, dry_run=dry_run, retry=retry)

    def replace_status(self, body: Body) -> Body:
        """Replace the status of an object that was read. Raises ApiConflict."""
        return self._write("PUT", body, subresource="/status")

    def apply(self, body: Body) -> Body:
        """Make the object, or bring our fields of it into line; others' fields stay."""
        content_type = "application/apply-patch+yaml"
        return self._write("PATCH", body, query={"force": "true"}, content_type=content_type)

    def patch(self, body: Body, *, dry_run: bool = False) -> Body:
        """Merge into the object that is there."""
        content_type = "application/merge-patch+json"
        return self._write("PATCH", body, content_type=content_type, dry_run=dry_run)

    def delete(self, ref: ObjectRef) -> bool:
        """Remove the object and, in the background, what it owns; tell whether it was there."""
        try:
            self._call("DELETE", ref, query={"propagationPolicy": "Background"})
        except ApiNotFound:
            return False
        return True

    def _pages(self, ref: ObjectRef, labels: str, *, metadata_only: bool) -> Iterator[Body]:
        more, accept = "", _METADATA_LIST if metadata_only else _JSON
        while True:
            query = {"labelSelector": labels, "limit": str(PAGE)}
            query |= {"continue": more} if more else {}
            page = self._call("GET", ref, query=query, accept=accept)
            yield page
            more = page["metadata"].get("continue", "")
            if not more:
                return

    def _get(self, ref: ObjectRef, accept: str, retry: RetryPolicy | None) -> Body | None:
        try:
            return self._call("GET", ref, accept=accept, retry=retry)
        except ApiNotFound:
            return None

    def _write(
        self,
        method: str,
        body: Body,
        *,
        query: Mapping[str, str] | None = None,
        dry_run: bool = False,
        retry: RetryPolicy | None = None,
        **options: Any,
    ) -> Body:
        query = {"fieldManager": self._field_manager, **(query or {})}
        query |= {"dryRun": "All"} if dry_run else {}
        return self._call(
            method, ObjectRef.of(body), query=query, body=body, retry=retry, **options
        )

    def _call(
        self, method: str, ref: ObjectRef, *, retry: RetryPolicy | None = None, **options: Any
    ) -> Body:
        """Ask until there is an answer that waiting does not change."""
        policy = retry or self._retry
        request = self._request(method, ref, **options)
        for attempt in range(1, policy.attempts):
            try:
                return self._answer(method, request, ref, policy)
            except ApiUnavailable:
                self._sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        return self._answer(method, request, ref, policy)

    def _answer(
        self, method: str, request: ApiRequest, ref: ObjectRef, policy: RetryPolicy
    ) -> Body:
        response = self._send(request, ref, policy.timeouts)
        try:
            return parse(method, ref, response.status, response.data)
        except HTTPError as error:
            raise unavailable(ref, f"cannot be reached ({type(error).__name__})") from None

    def _request(
        self,
        method: str,
        ref: ObjectRef,
        *,
        subresource: str = "",
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        accept: str = _JSON,
        content_type: str = _JSON,
    ) -> ApiRequest:
        collection = ObjectRef(ref.kind, ref.namespace)
        path = (collection if method == "POST" else ref).path + subresource
        path += f"?{urlencode(query)}" if query else ""
        headers = {"Accept": accept, "Content-Type": content_type}
        return ApiRequest(
            method, path, headers, None if body is None else json.dumps(body).encode()
        )

    def _send(
        self, request: ApiRequest, ref: ObjectRef, timeouts: tuple[float, float | None]
    ) -> BaseHTTPResponse:
        """Return the response, whatever its status; its body is not read yet."""
        status = 0
        try:
            response = self._connection.send(request, timeouts)
            status = response.status
        except SSLError as error:
            words = f"SSLError: {error}".splitlines()[-1]
            raise unavailable(ref, f"cannot be reached ({words})") from None
        except HTTPError as error:  # urllib3's texts hold addresses of memory
            raise unavailable(ref, f"cannot be reached ({type(error).__name__})") from None
        finally:
            self.on_response(request.method, status)
        return response
