"""A directory connect as a run opens it, closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from profile_image_sync.worker.directory import Directory
from testkit.samba.domain_controller import DomainController
from tests.support.directory import connect_directory

Connect = Callable[..., Directory]


@pytest.fixture
def connect(domain_controller: DomainController) -> Iterator[Connect]:
    """Give a maker of open directories; its arguments are fields of `activeDirectory`."""
    directories: list[Directory] = []

    def make(**fields: object) -> Directory:
        given: dict[str, object] = {
            "servers": [domain_controller.url],
            "ca_file": domain_controller.ca_file,
            "username": domain_controller.bind_user,
            "password": domain_controller.bind_password,
        }
        directory = connect_directory(**(given | fields))  # type: ignore[arg-type]  # checked at run time
        directories.append(directory)
        return directory

    yield make
    for directory in directories:
        directory.close()
