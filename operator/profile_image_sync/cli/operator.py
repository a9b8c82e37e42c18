"""`operator`: the command of the operator's pod."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def operator(
    settings: Annotated[
        Path,
        typer.Option("--settings", metavar="FILE", help="The JSON file that the chart mounts."),
    ] = Path("/etc/profile-image-sync/operator.json"),
    health_port: Annotated[
        int,
        typer.Option("--health-port", metavar="PORT", help="Port of /healthz, for the kubelet."),
    ] = 8080,
    metrics_port: Annotated[
        int,
        typer.Option("--metrics-port", metavar="PORT", help="Port of /metrics, for Prometheus."),
    ] = 8081,
) -> None:
    """Reconcile the ProfileImageSyncs of a cluster."""
    from profile_image_sync import logs
    from profile_image_sync.controller.handlers import serve

    logs.configure(json=True)
    serve(settings, health_port=health_port, metrics_port=metrics_port)
