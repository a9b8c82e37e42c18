"""A tenant on the real directory and the simulator, in a unit and an instance of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.samba.administrator import Administrator
from tests.samba.domain_controller import DomainController
from tests.simulator.process import Simulator
from tests.support.tenant import Tenant


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
