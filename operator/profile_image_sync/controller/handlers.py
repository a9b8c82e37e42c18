"""kopf's part: serve the watch of our resources, the health endpoint, and a graceful end.

`on.event` only: it makes kopf write nothing to the resources (no finalizer, no annotations), so that a
resource can always be deleted, and Git sees no drift. What happens is the loop's business.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf

from profile_image_sync import names
from profile_image_sync.controller.installation import OperatorSettings, load
from profile_image_sync.controller.loop import Loop
from profile_image_sync.controller.reconcile import Reconciler
from profile_image_sync.kube.client import ONCE, ApiClient


def serve(settings_file: Path, health_port: int) -> None:
    """Run the operator until it is told to stop; /healthz answers on the port.

    Raises InvalidSpec for an unusable settings file.
    """
    settings = load(settings_file, os.environ)
    kopf.run(
        registry=_registry(settings),
        # kopf would look up the user's name, which the image's user does not have
        identity=names.PRODUCT,  # type: ignore[arg-type]  # a str; kopf does not export its name for it
        standalone=True,  # one replica; peering would need another CRD
        clusterwide=not settings.watch_namespaces,
        namespaces=settings.watch_namespaces,
        liveness_endpoint=f"http://0.0.0.0:{health_port}/healthz",
    )


def _registry(settings: OperatorSettings) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    client = ApiClient.connect(os.environ, field_manager=names.PRODUCT, retry=ONCE)
    loop = Loop(
        client,
        Reconciler(client, settings, _now),
        resync_seconds=settings.resync_seconds,
        namespaces=settings.watch_namespaces,
        now=_now,
    )

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_via_client(**arguments)  # as the official client found its way

    @kopf.on.startup(registry=registry)
    def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        _configure(settings)
        loop.start()

    @kopf.on.cleanup(registry=registry)
    def stop(**_: Any) -> None:
        loop.stop()

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    def changed(body: kopf.Body, **_: Any) -> None:
        loop.resource_changed(dict(body))

    @kopf.on.probe(id="loop", registry=registry)
    def alive(**_: Any) -> bool:
        if not loop.is_alive():
            raise kopf.PermanentError("the loop no longer turns")  # others are tried again
        return True

    return registry


def _configure(settings: kopf.OperatorSettings) -> None:
    """Choose what kopf does by itself."""
    settings.scanning.disabled = True  # no right to list namespaces and CRDs is needed
    settings.posting.enabled = False  # we post our own events, on transitions only
    # A silent watch is dropped and begun anew (nolar/kopf#585).
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30


def _now() -> datetime:
    return datetime.now(UTC)
