"""A tenant on the real directory and the simulator, in a unit and an instance of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController
from testkit.simulator.process import Simulator
from testkit.sync_command import Tenant


@pytest.fixture
def tenant(
    tmp_path: Path,
    domain_controller: DomainController,
    administrator: Administrator,
    simulator: Simulator,
    unit: str,
) -> Tenant:
    """Give a tenant with nobody in it yet."""
    return Tenant.create(tmp_path, domain_controller, administrator, simulator, unit)
