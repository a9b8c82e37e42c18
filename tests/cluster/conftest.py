"""The real things that cluster tests run against; made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.samba.fixtures import administrator, domain_controller, unit
from tests.simulator.fixtures import simulator
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.workplace import Workplace

__all__ = ["administrator", "domain_controller", "simulator", "unit"]


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give the session's control plane."""
    with control_plane(tmp_path_factory.mktemp("plane") / "data") as running:
        yield running


@pytest.fixture
def workplace(plane: ControlPlane, tmp_path: Path) -> Iterator[Workplace]:
    """Give a namespace with all that the operator makes before a first run."""
    place = Workplace.create(plane, tmp_path)
    yield place
    place.close()
