"""Pytest fixtures: one simulator process a session; each test makes its own cheap instance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testkit.certificates import CertificateAuthority

from .process import Simulator


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Give the session's simulator: HTTPS on the loopback, trusted through its `ca_file`."""
    folder = tmp_path_factory.mktemp("simulator")
    authority = CertificateAuthority(folder / "authority")
    with Simulator.start(tmp_path=folder, tls=authority) as running:
        yield running
