"""The real things that contract tests run against; each helper's fixtures are made once a session."""

from __future__ import annotations

from tests.samba.fixtures import administrator, domain_controller, unit
from tests.simulator.fixtures import simulator

__all__ = ["administrator", "domain_controller", "simulator", "unit"]
