"""One environment for all tests of the session; a tenant for each test, a scenario for its module."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from testkit.cluster_tenant import ClusterTenant
from testkit.environment import Environment, running_environment
from testkit.scenario import Scenario
from testkit.shared_session import exclusive

CLUSTER = "pis-test"


@pytest.fixture(scope="session")
def kind_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Give the environment, which all workers share: the first one clears what earlier sessions left."""
    with ExitStack() as stack:
        with exclusive(tmp_path_factory, "kind-environment") as first:
            environment = stack.enter_context(running_environment(CLUSTER, print))
            if first:
                environment.clear()
        yield environment


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
