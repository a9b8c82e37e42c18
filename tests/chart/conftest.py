"""Helm, and a control plane to install into."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.control_plane import ControlPlane, run_control_plane
from tests.chart.helm import ROOT, Helm


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Give Helm; the first call on a machine builds it."""
    made = subprocess.run(
        [ROOT / "testcluster/build-binaries", "helm"], stdout=subprocess.PIPE, text=True, check=True
    )
    return Helm(Path(made.stdout.strip()) / "helm", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a module's own control plane: what Helm installs is seen by the whole cluster."""
    with run_control_plane(tmp_path_factory.mktemp("plane") / "data") as running:
        yield running
