"""A tenant on the real directory and the simulator, in a unit and an instance of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController
from testkit.simulator.process import Simulator
from testkit.sync_command import LocalTenant


@pytest.fixture
def tenant(
    tmp_path: Path,
    domain_controller: DomainController,
    administrator: Administrator,
    simulator: Simulator,
    organizational_unit: str,
) -> LocalTenant:
    """Give a tenant with nobody in it yet."""
    return LocalTenant.create(
        tmp_path, domain_controller, administrator, simulator, organizational_unit
    )
