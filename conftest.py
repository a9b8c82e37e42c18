"""Fixtures that several folders use: a domain controller and a HighQ, each started once a session."""

from __future__ import annotations

pytest_plugins = ["testkit.samba.fixtures", "testkit.simulator.fixtures"]
