"""A real API server for the tests of what worker and operator do there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.control_plane import ControlPlane, run_control_plane
from tests.support.operator import install_crd, served, tenant
from tests.support.worker_environment import WorkerEnvironment

__all__ = ["served", "tenant"]  # fixtures


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give the session's control plane, with the CRD."""
    with run_control_plane(tmp_path_factory.mktemp("plane") / "data") as running:
        install_crd(running)
        yield running


@pytest.fixture
def worker(control_plane: ControlPlane, tmp_path: Path) -> Iterator[WorkerEnvironment]:
    """Give a namespace with all that the operator makes before a first run."""
    environment = WorkerEnvironment.create(control_plane, tmp_path)
    yield environment
    environment.close()
