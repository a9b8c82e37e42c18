"""What a worker's pod does not load: memory and start time are paid in every run of every tenant."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = "import sys, profile_image_sync.pod.main; print(*sys.modules)"


def test_a_worker_loads_nothing_of_the_operators() -> None:
    """Neither kopf with its HTTP stack nor metrics, nor the API's models (half a second, 20 MiB)."""
    command = [sys.executable, "-c", PROGRAM]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"kopf", "aiohttp", "prometheus_client", "kubernetes.client.api.core_v1_api", "typer"}
    assert "kubernetes.client.api_client" in loaded
    assert heavy.isdisjoint(loaded)
    assert not [name for name in loaded if name.startswith("profile_image_sync.controller")]
