"""The real things that cluster tests run against; made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.control_plane import ControlPlane, control_plane
from tests.support.worker_environment import WorkerEnvironment


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give the session's control plane."""
    with control_plane(tmp_path_factory.mktemp("plane") / "data") as running:
        yield running


@pytest.fixture
def workplace(plane: ControlPlane, tmp_path: Path) -> Iterator[WorkerEnvironment]:
    """Give a namespace with all that the operator makes before a first run."""
    place = WorkerEnvironment.create(plane, tmp_path)
    yield place
    place.close()
