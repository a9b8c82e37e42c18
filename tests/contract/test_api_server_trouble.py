"""The API server on a bad day: a real HTTP server that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes.client import Configuration

from profile_image_sync.errors import StateUnavailable
from profile_image_sync.pod.client import QUICK, Cluster, ConflictError
from profile_image_sync.pod.objects import Kind, LeaseRecord, Record

SECRET = Record(Kind.SECRET, "s", binary={"k": b"hush"}, metadata={"resourceVersion": "1"})
CUT = 0  # instead of a status: the connection is cut
OK = {"metadata": {"name": "s", "resourceVersion": "2"}, "data": {"k": "aHVzaA=="}}


class ApiServer(ThreadingHTTPServer):
    """Answers with these statuses, in this order; afterwards well."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.statuses: list[int] = []
        self.reason = "Word"
        self.asked: list[str] = []


class Answers(BaseHTTPRequestHandler):
    """One connection to it."""

    server: ApiServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer as told."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(f"{self.command} {self.path}")
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

    do_PUT = do_POST = do_GET  # noqa: N815  # names of the standard library's choice

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
def cluster(server: ApiServer, pauses: list[float]) -> Iterator[Cluster]:
    """Give a client of it that does not really pause."""
    configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
    with Cluster(configuration, "tenant-acme", pauses.append) as client:
        yield client


@pytest.mark.parametrize("trouble", [429, 500, 502, 503, 504, CUT])
def test_trouble_that_passes_is_waited_for(
    server: ApiServer, cluster: Cluster, pauses: list[float], trouble: int
) -> None:
    """API servers are restarted, and throttle: three pauses, each twice the one before."""
    server.statuses = [trouble] * 3
    assert cluster.replace(SECRET).binary == {"k": b"hush"}
    assert pauses == [0.5, 1.0, 2.0]
    assert len(server.asked) == 4


@pytest.mark.parametrize("trouble", [429, 503, CUT])
def test_trouble_that_stays_ends_the_run(server: ApiServer, cluster: Cluster, trouble: int) -> None:
    """Four attempts, then the next run has a try; the object is named."""
    server.statuses = [trouble] * 100
    with pytest.raises(
        StateUnavailable, match=r"^Secret s in namespace tenant-acme: the API server"
    ):
        cluster.read(Kind.SECRET, "s")
    assert len(server.asked) == 4


def test_who_renews_a_lease_asks_again_himself(server: ApiServer, cluster: Cluster) -> None:
    """One attempt, so that a lost Lease is noticed in time."""
    server.statuses = [503] * 100
    with pytest.raises(StateUnavailable):
        cluster.replace_lease(LeaseRecord("l", "job", 30, None, None, 0), effort=QUICK)
    assert len(server.asked) == 1


def test_nobody_listening_is_trouble(pauses: list[float]) -> None:
    """No address of memory, no traceback: what cannot be reached, and from where."""
    with (
        Cluster(Configuration(host="http://127.0.0.1:9"), "tenant-acme", pauses.append) as cluster,
        pytest.raises(StateUnavailable, match=r"cannot be reached \([A-Za-z]+Error\); see"),
    ):
        cluster.read(Kind.SECRET, "s")


@pytest.mark.parametrize(
    ("answer", "verb", "words"),
    [
        (
            "403 Forbidden",
            "update",
            r"ServiceAccount may not update it \(403 Forbidden\): the Role",
        ),
        ("403 Forbidden", "create", r"ServiceAccount may not create it \(403 Forbidden\)"),
        ("403 Forbidden", "get", r"ServiceAccount may not get it"),
        ("401 Unauthorized", "get", r"refuses to get it \(401 Unauthorized\)"),
        ("413 RequestEntityTooLarge", "update", r"refuses to update it \(413 Requ"),
        ("422 Invalid", "update", r"refuses to update it \(422 Invalid\)"),
        ("404 NotFound", "create", r"refuses to create it \(404 NotFound\)"),
    ],
)
def test_a_refusal_says_what_was_refused_and_quotes_nothing(
    server: ApiServer, cluster: Cluster, answer: str, verb: str, words: str
) -> None:
    """Asked once; the API server's own message may quote a Secret."""
    status, server.reason = answer.split()
    server.statuses = [int(status)]
    ask: dict[str, Callable[[], object]] = {
        "get": lambda: cluster.read(Kind.SECRET, "s"),
        "create": lambda: cluster.create(SECRET),
        "update": lambda: cluster.replace(SECRET),
    }
    with pytest.raises(
        StateUnavailable, match=f"^Secret s in namespace tenant-acme.*{words}"
    ) as it:
        ask[verb]()
    assert "hush" not in str(it.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [("PUT", 409, "Conflict"), ("PUT", 404, "NotFound"), ("POST", 409, "AlreadyExists")],
)
def test_an_object_that_is_not_as_it_was_is_a_conflict(
    server: ApiServer, cluster: Cluster, method: str, status: int, reason: str
) -> None:
    """Changed, made or removed by someone else: who asked must look again."""
    server.statuses, server.reason = [status], reason
    with pytest.raises(ConflictError, match="Secret s in namespace tenant-acme"):
        (cluster.replace if method == "PUT" else cluster.create)(SECRET)


def test_a_quotas_conflict_passes(server: ApiServer, cluster: Cluster) -> None:
    """Counted by many at once, a quota says 409 to a creation, and means: again."""
    server.statuses, server.reason = [409], "Conflict"
    assert cluster.create(SECRET).name == "s"


def test_what_is_not_there_is_none(server: ApiServer, cluster: Cluster) -> None:
    """No error: the one who asks knows what it means."""
    server.statuses = [404, 404]
    assert cluster.read(Kind.SECRET, "s") is None
    assert cluster.read_lease("l") is None


def test_a_dry_run_says_so(server: ApiServer, cluster: Cluster) -> None:
    """A proof that wrote would not be one."""
    cluster.replace(SECRET, dry_run=True)
    path = "/api/v1/namespaces/tenant-acme/secrets/s"
    assert server.asked == [f"PUT {path}?fieldManager=profile-image-sync-worker&dryRun=All"]
