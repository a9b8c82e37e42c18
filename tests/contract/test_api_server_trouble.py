"""The API server on a bad day: a real HTTP server that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes.client import Configuration

from profile_image_sync.kube.client import PATIENT, QUICK, ApiClient
from profile_image_sync.kube.connection import Connection
from profile_image_sync.kube.errors import (
    ApiConflict,
    ApiError,
    ApiForbidden,
    ApiNotFound,
    ApiRefused,
    ApiUnavailable,
)
from profile_image_sync.kube.objects import DataObject
from profile_image_sync.kube.resources import ObjectRef

REF = ObjectRef("Secret", "tenant-acme", "s")
SECRET = DataObject(REF, binary={"k": b"hush"}, metadata={"resourceVersion": "1"}).body()
CUT = 0  # instead of a status: the connection is cut
OK = SECRET | {"metadata": SECRET["metadata"] | {"resourceVersion": "2"}}


class ApiServer(ThreadingHTTPServer):
    """Answers with these statuses, in this order; afterwards well."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.statuses: list[int] = []
        self.reason = "Word"
        self.asked: list[str] = []
        self.accepted: list[str] = []


class Answers(BaseHTTPRequestHandler):
    """One connection to it."""

    server: ApiServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer as told."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.accepted.append(self.headers["Accept"])
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == CUT:
            self.close_connection = True
            return
        told = {"reason": self.server.reason, "message": "Secret is invalid: hush"}
        body = json.dumps(OK if status < 300 else told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815  # names of the standard library's choice

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """Give such a server."""
    with ApiServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def pauses() -> list[float]:
    """Give the list of pauses that the client makes."""
    return []


@pytest.fixture
def client(server: ApiServer, pauses: list[float]) -> Iterator[ApiClient]:
    """Give a worker's client of it that does not really pause."""
    configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
    with ApiClient(
        Connection(configuration), field_manager="worker", retry=PATIENT, sleep=pauses.append
    ) as ready:
        yield ready


@pytest.mark.parametrize("trouble", [429, 500, 502, 503, 504, CUT])
def test_trouble_that_passes_is_waited_for(
    server: ApiServer, client: ApiClient, pauses: list[float], trouble: int
) -> None:
    """API servers are restarted, and throttle: three pauses, each twice the one before."""
    server.statuses = [trouble] * 3
    assert client.replace(SECRET) == OK
    assert pauses == [0.5, 1.0, 2.0]
    assert len(server.asked) == 4


@pytest.mark.parametrize("trouble", [429, 503, CUT])
def test_trouble_that_stays_ends_the_run(
    server: ApiServer, client: ApiClient, trouble: int
) -> None:
    """Four attempts, then the next run has a try; the object is named."""
    server.statuses = [trouble] * 100
    with pytest.raises(ApiUnavailable, match=r"^Secret s in namespace tenant-acme: the API server"):
        client.get(REF)
    assert len(server.asked) == 4


def test_the_holder_of_a_lease_asks_once(server: ApiServer, client: ApiClient) -> None:
    """It asks again soon anyway, and must notice a lost Lease in time."""
    server.statuses = [503] * 100
    with pytest.raises(ApiUnavailable):
        client.replace(SECRET, retry=QUICK)
    assert len(server.asked) == 1


def test_nobody_listening_is_trouble(pauses: list[float]) -> None:
    """No address of memory, no traceback: what cannot be reached, and from where."""
    nowhere = Configuration(host="http://127.0.0.1:9")
    with (
        ApiClient(
            Connection(nowhere), field_manager="worker", retry=PATIENT, sleep=pauses.append
        ) as client,
        pytest.raises(ApiUnavailable, match=r"cannot be reached \([A-Za-z]+Error\); see"),
    ):
        client.get(REF)


@pytest.mark.parametrize(
    ("answer", "verb", "error"),
    [
        ("403 Forbidden", "not allowed to update", ApiForbidden),
        ("403 Forbidden", "not allowed to create", ApiForbidden),
        ("403 Forbidden", "not allowed to get", ApiForbidden),
        ("401 Unauthorized", "refuses to get", ApiRefused),
        ("413 RequestEntityTooLarge", "refuses to update", ApiRefused),
        ("422 Invalid", "refuses to update", ApiRefused),
        ("404 NotFound", "refuses to create", ApiNotFound),
    ],
)
def test_a_refusal_says_what_was_refused_and_quotes_nothing_of_a_secret(
    server: ApiServer, client: ApiClient, answer: str, verb: str, error: type[ApiError]
) -> None:
    """Asked once; the API server's own message may quote a Secret."""
    status, server.reason = answer.split()
    server.statuses = [int(status)]
    ask: dict[str, Callable[[], object]] = {
        "get": lambda: client.get(REF),
        "create": lambda: client.create(SECRET),
        "update": lambda: client.replace(SECRET),
    }
    words = rf"^Secret s in namespace tenant-acme: .*{verb} it \({answer}\): "
    with pytest.raises(error, match=words) as it:
        ask[verb.rsplit(maxsplit=1)[-1]]()
    assert "hush" not in str(it.value)
    assert len(server.asked) == 1


def test_a_refusal_of_anything_else_is_quoted(server: ApiServer, client: ApiClient) -> None:
    """Only the server knows which quota, policy or field is against it."""
    server.statuses, server.reason = [422], "Invalid"
    with pytest.raises(
        ApiRefused, match=r"^ConfigMap c in .*\(422 Invalid: Secret is invalid: hush"
    ):
        client.create(DataObject(ObjectRef("ConfigMap", "tenant-acme", "c")).body())


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [("PUT", 409, "Conflict"), ("PUT", 404, "NotFound"), ("POST", 409, "AlreadyExists")],
)
def test_an_object_that_is_not_as_it_was_is_a_conflict(
    server: ApiServer, client: ApiClient, method: str, status: int, reason: str
) -> None:
    """Changed, made or removed by someone else: who asked must look again."""
    server.statuses, server.reason = [status], reason
    with pytest.raises(ApiConflict, match="Secret s in namespace tenant-acme"):
        (client.replace if method == "PUT" else client.create)(SECRET)


def test_a_quotas_conflict_passes(server: ApiServer, client: ApiClient) -> None:
    """Counted by many at once, a quota says 409 to a creation, and means: again."""
    server.statuses, server.reason = [409], "Conflict"
    assert client.create(SECRET) == OK


def test_a_quotas_conflict_that_stays_is_not_made_by_another(
    server: ApiServer, client: ApiClient
) -> None:
    """Whoever meets an object that is there already goes on; here there is none."""
    server.statuses, server.reason = [409] * 100, "Conflict"
    with pytest.raises(ApiUnavailable, match="answers 409 Conflict"):
        client.create(SECRET)


def test_what_is_not_there_is_none(server: ApiServer, client: ApiClient) -> None:
    """No error: the one who asks knows what it means."""
    server.statuses = [404, 404]
    assert client.get(REF) is None
    assert client.get_metadata(REF) is None
    client.delete(REF)


def test_a_dry_run_says_so(server: ApiServer, client: ApiClient) -> None:
    """A proof that wrote would not be one."""
    client.replace(SECRET, dry_run=True)
    path = "/api/v1/namespaces/tenant-acme/secrets/s"
    assert server.asked == [f"PUT {path}?fieldManager=worker&dryRun=All"]


def test_of_a_secret_only_the_metadata_is_asked_for_if_that_is_enough(
    server: ApiServer, client: ApiClient
) -> None:
    """The operator compares versions; it never receives what is in a Secret."""
    client.get_metadata(REF)
    assert server.accepted == ["application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"]


def test_a_watch_that_is_refused_says_so(server: ApiServer, client: ApiClient) -> None:
    """A namespace may forbid us; the watch must not seem to be quiet."""
    server.statuses, server.reason = [403], "Forbidden"
    with pytest.raises(ApiForbidden, match=r"^jobs in namespace gone: not allowed to get it"):
        list(client.watch(ObjectRef("Job", "gone")))
