"""One environment for all tests of the session; a tenant for each test, a scenario for its module."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testkit.cluster_tenant import ClusterTenant
from testkit.environment import OPERATOR, Environment, connected_environment, running_environment
from testkit.kind_cluster import KindCluster
from testkit.scenario import Scenario
from testkit.shared_session import exclusive, shared_folder
from tests.support import first_delivery

CLUSTER = os.environ.get("TEST_CLUSTER", "pis-test")


@pytest.fixture(scope="session")
def kind_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Give the environment, which all workers share: the first one starts it and clears what was left.

    The others only connect: installing the chart again would start an operator that a test has stopped.
    """
    with ExitStack() as stack:
        with exclusive(tmp_path_factory, "kind-environment") as first:
            if first:
                began(tmp_path_factory).write_text(datetime.now(UTC).isoformat())
                install_the_first_delivery(KindCluster.up(CLUSTER))
                environment = stack.enter_context(running_environment(CLUSTER, print))
                environment.clear()
            else:
                cluster = KindCluster.up(CLUSTER)
                environment = stack.enter_context(connected_environment(cluster))
        yield environment


def install_the_first_delivery(cluster: KindCluster) -> None:
    """So that the operator of all tests is one that was upgraded from there; its own image cannot be had."""
    where = f"--namespace={OPERATOR}"
    cluster.helm("uninstall", OPERATOR, where, "--ignore-not-found", "--wait")
    cluster.helm("install", OPERATOR, str(first_delivery.PACKAGE), where, "--create-namespace")


def began(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that says when the environment of this session was begun."""
    return shared_folder(tmp_path_factory) / "environment-began"


def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that lists the tests of this session that have ended, a line each."""
    return shared_folder(tmp_path_factory) / "ended"


@pytest.fixture(autouse=True)
def _note_the_end(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    yield
    with ended(tmp_path_factory).open("a") as file:
        file.write(f"{request.node.nodeid}\n")


@pytest.fixture(scope="module")
def scenario(kind_environment: Environment) -> Scenario:
    """Give the scenario, at its beginning."""
    return Scenario.begin(kind_environment)


@pytest.fixture
def new_tenant(kind_environment: Environment) -> Iterator[Callable[[], ClusterTenant]]:
    """Make tenants, each in a namespace, a unit and an instance of its own; they go after the test."""
    made: list[ClusterTenant] = []

    def make() -> ClusterTenant:
        name = f"t-{uuid.uuid4().hex[:6]}"
        made.append(ClusterTenant.create(kind_environment, name, name))
        return made[-1]

    yield make
    for tenant in made:
        kind_environment.cluster.kubectl(
            "delete", "namespace", tenant.namespace, "--wait=false", "--ignore-not-found"
        )


@pytest.fixture
def tenant(new_tenant: Callable[[], ClusterTenant]) -> ClusterTenant:
    """Give a tenant with nobody in it."""
    return new_tenant()
