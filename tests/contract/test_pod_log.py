"""A pod's log as the API server sends it: over real HTTP, in parts that know nothing of lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes.client import Configuration

from profile_image_sync.kube.client import PATIENT, ApiClient
from profile_image_sync.kube.connection import Connection
from profile_image_sync.kube.errors import ApiRefused
from profile_image_sync.kube.resources import ObjectRef

POD = ObjectRef("Pod", "tenant-acme", "pisync-acme-1-x7x2k")
WAITING = b'{"reason": "BadRequest", "message": "container worker is waiting to start"}'


class Answers(BaseHTTPRequestHandler):
    """Sends a log, and a refusal for a pod called `starting`."""

    def do_GET(self) -> None:
        """Answer."""
        waiting = "/starting/" in self.path
        self.send_response(400 if waiting else 200)
        self.end_headers()
        for part in (
            [WAITING] if waiting else [b'{"path": "', self.path.encode(), b'"}\n\xff', b"x\n"]
        ):
            self.wfile.write(part)
            self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def client() -> Iterator[ApiClient]:
    """Give a client of such a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{server.server_port}"
        with ApiClient(Connection(configuration), field_manager="test", retry=PATIENT) as connected:
            yield connected
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("follow", "query"), [(False, ""), (True, "?follow=true")])
def test_a_log_is_read_line_by_line(client: ApiClient, query: str, *, follow: bool) -> None:
    """Whatever parts it comes in; bytes that are no UTF-8 do not end it."""
    path = f"/api/v1/namespaces/tenant-acme/pods/pisync-acme-1-x7x2k/log{query}"
    assert list(client.log(POD, follow=follow)) == [f'{{"path": "{path}"}}', "\ufffdx"]


def test_a_log_that_is_not_there_yet_is_one_line(client: ApiClient) -> None:
    """With the API server's words."""
    with pytest.raises(ApiRefused, match="container worker is waiting to start"):
        list(client.log(ObjectRef("Pod", "tenant-acme", "starting"), follow=False))
