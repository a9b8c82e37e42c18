"""A tenant on real servers that need no root: a directory in a file, and the simulator of HighQ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.certificates import CertificateAuthority
from testkit.file_directory import serve, write_people
from testkit.simulator.process import Simulator
from testkit.trial import Trial, people_file


@pytest.fixture
def trial(tmp_path: Path, simulator: Simulator) -> Iterator[Trial]:
    """Give a tenant without people, its manifest written."""
    authority = CertificateAuthority(tmp_path / "authority")
    write_people(people_file(tmp_path), ())
    assert simulator.ca_file is not None
    with serve(people_file(tmp_path), *authority.issue("127.0.0.1")) as server:
        highq = simulator.create_instance()
        trial = Trial(tmp_path, server.url, authority.ca_file, highq, simulator.ca_file)
        trial.write_manifest()
        yield trial
