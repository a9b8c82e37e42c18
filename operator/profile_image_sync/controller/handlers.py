"""kopf's part: signals, startup and cleanup, and the health endpoint. See CONTRIBUTING, "Decisions".

kopf does not watch our resources: its watch would be a second one, beside the informer's, and ends the whole
operator when one namespace forbids us.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf

from profile_image_sync import names
from profile_image_sync.controller.installation import OperatorSettings, load
from profile_image_sync.controller.leader import Leader
from profile_image_sync.controller.loop import Loop
from profile_image_sync.controller.metrics import Metrics
from profile_image_sync.controller.reconcile import Reconciler
from profile_image_sync.controller.resource_metrics import views_of
from profile_image_sync.kube.client import ONCE, ApiClient


class Operator:
    """The loop, the leader that it obeys, and the metrics of both."""

    def __init__(self, client: ApiClient, settings: OperatorSettings) -> None:
        """Take a client and the installation's settings; nothing is started yet."""
        self.loop = Loop(
            client,
            lambda store: Reconciler(client, store, settings, _now),
            resync_seconds=settings.resync_seconds,
            namespaces=settings.watch_namespaces,
            leads=self._leads,
            now=_now,
        )
        self._leader = settings.leader_namespace and Leader(
            client,
            namespace=settings.leader_namespace,
            name=settings.leader_lease,
            holder=socket.gethostname(),  # the pod's name
            now=_now,
            on_elected=self.loop.resync,
        )
        self.metrics = Metrics(
            lambda: views_of(self.loop.store),
            leads=self._leads,
            queue_depth=self.loop.waiting,
            now=_now,
        )
        client.on_response = self.metrics.count_request
        self.loop.measure = self.metrics.timed_reconcile

    def start(self) -> None:
        """Start all threads."""
        self.loop.start()
        if self._leader:
            self._leader.start()

    def stop(self) -> None:
        """Let no thread begin another turn, and give the Lease back."""
        self.loop.stop()
        if self._leader:
            self._leader.stop()

    def _leads(self) -> bool:
        return not self._leader or self._leader.leads()


def serve(settings_file: Path, *, health_port: int, metrics_port: int) -> None:
    """Run the operator until it is told to stop; /healthz and /metrics answer on the ports.

    Raises InvalidSpec for an unusable settings file.
    """
    settings = load(settings_file, os.environ)
    kopf.run(
        registry=_registry(settings, metrics_port),
        # kopf would look up the user's name, which the image's user does not have
        identity=names.PRODUCT,  # type: ignore[arg-type]  # a str; kopf does not export its name for it
        standalone=True,  # the leader's Lease decides who works, not kopf's peering, which needs a CRD
        clusterwide=True,  # kopf watches nothing, so it matters not where
        liveness_endpoint=f"http://0.0.0.0:{health_port}/healthz",
    )


def _registry(settings: OperatorSettings, metrics_port: int) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    client = ApiClient.connect(os.environ, field_manager=names.PRODUCT, retry=ONCE)
    operator = Operator(client, settings)

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_via_client(
            **arguments
        )  # kopf asks once, at the start, which APIs there are

    @kopf.on.startup(registry=registry)
    def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.scanning.disabled = True  # no right to list namespaces and CRDs is needed
        settings.posting.enabled = False  # we post our own events, on transitions only
        operator.metrics.serve(metrics_port)
        operator.start()

    @kopf.on.cleanup(registry=registry)
    def stop(**_: Any) -> None:
        operator.stop()

    @kopf.on.probe(id="loop", registry=registry)
    def alive(**_: Any) -> bool:
        if problem := operator.loop.problem():
            raise kopf.PermanentError(problem)  # others are tried again
        return True

    return registry


def _now() -> datetime:
    return datetime.now(UTC)
