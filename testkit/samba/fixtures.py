"""Fixtures of the directory: one domain controller a session, an organizational unit a test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController, free_loopback_addresses
from testkit.samba.provision import copy, provision
from testkit.shared_session import exclusive, shared_folder


@pytest.fixture(scope="session")
def domain_controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DomainController]:
    """Give the session's domain controller; it also listens on one address it does not prove."""
    domain = shared_folder(tmp_path_factory) / "samba-domain"
    with exclusive(tmp_path_factory, domain.name):
        provision(domain)
    folder = tmp_path_factory.mktemp("samba") / "dc1"
    copy(domain, folder)
    proven, unnamed = free_loopback_addresses(2)
    with DomainController(folder, [proven], unnamed=[unnamed]) as running:
        yield running


@pytest.fixture(scope="session")
def administrator(domain_controller: DomainController) -> Iterator[Administrator]:
    """Give an administrator of that domain, signed in."""
    signed_in = domain_controller.sign_in()
    yield signed_in
    signed_in.close()


@pytest.fixture
def organizational_unit(administrator: Administrator) -> Iterator[str]:
    """Give the DN of an empty organizational unit, deleted after the test."""
    dn = administrator.add_organizational_unit(f"Unit {uuid.uuid4().hex[:8]}")
    yield dn
    administrator.delete_organizational_unit(dn)
