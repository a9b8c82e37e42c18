"""A tenant on real servers that need no root: a directory in a file, and the simulator of HighQ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.certificates import CertificateAuthority
from testkit.file_directory import serve, write_people
from testkit.ldap_server import ScriptedLdapServer
from testkit.simulator.process import Simulator
from testkit.trial import Trial, people_file


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """Give what issues the directory's certificates."""
    return CertificateAuthority(tmp_path / "authority")


@pytest.fixture
def directory(tmp_path: Path, authority: CertificateAuthority) -> Iterator[ScriptedLdapServer]:
    """Give a directory without people."""
    write_people(people_file(tmp_path), ())
    with serve(people_file(tmp_path), *authority.issue("127.0.0.1", "dc1.ad.test")) as server:
        yield server


@pytest.fixture
def new_trial(
    tmp_path: Path,
    simulator: Simulator,
    authority: CertificateAuthority,
    directory: ScriptedLdapServer,
) -> Callable[..., Trial]:
    """Make a tenant without people, on an instance with what is given; its manifest is not written."""

    def make(**instance: Any) -> Trial:
        assert simulator.ca_file is not None
        highq = simulator.create_instance(**instance)
        return Trial(tmp_path, directory.url, authority.ca_file, highq, simulator.ca_file)

    return make


@pytest.fixture
def trial(new_trial: Callable[..., Trial]) -> Trial:
    """Give a tenant without people, its manifest written."""
    trial = new_trial()
    trial.write_manifest()
    return trial
