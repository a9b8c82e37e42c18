"""A control plane with the CRD, and what GitOps tools make of a resource in it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testkit.control_plane import BUILD_BINARIES, ControlPlane, run_control_plane
from tests.support.operator import Body, install_crd, served, tenant

__all__ = ["served", "tenant"]  # fixtures

Kstatus = Callable[[Body], str]


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane with the CRD."""
    with run_control_plane(tmp_path_factory.mktemp("gitops") / "data") as running:
        install_crd(running)
        yield running


@pytest.fixture(scope="session")
def kstatus() -> Kstatus:
    """Give Flux's own judgement of a resource: InProgress, Current, Failed or Terminating."""
    made = subprocess.run(
        [BUILD_BINARIES, "kstatus"], stdout=subprocess.PIPE, text=True, check=True
    )
    program = Path(made.stdout.strip()) / "kstatus"

    def judge(resource: Body) -> str:
        done = subprocess.run(
            [program], input=json.dumps(resource), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return judge
