"""One cluster with all the services for every test of the session; a tenant, or a story, for each."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from testkit.cluster_tenant import Tenant
from testkit.environment import Stage, stage
from testkit.scenario import Story

CLUSTER = "pis-test"


@pytest.fixture(scope="session")
def ready() -> Iterator[Stage]:
    """Give the stage; a CI machine is left without the cluster, a developer's keeps it for the next time."""
    with stage(CLUSTER, print) as made:
        made.clear()
        yield made
    if os.environ.get("CI"):
        made.cluster.down()


@pytest.fixture(scope="module")
def story(ready: Stage) -> Story:
    """Give the demo's story, at its beginning."""
    return Story.begin(ready)


@pytest.fixture
def new_tenant(ready: Stage) -> Iterator[Callable[[], Tenant]]:
    """Make tenants, each in a namespace, a unit and an instance of its own; they go after the test."""
    made: list[Tenant] = []

    def make() -> Tenant:
        name = f"t-{uuid.uuid4().hex[:6]}"
        made.append(Tenant.create(ready, name, name))
        return made[-1]

    yield make
    for tenant in made:
        ready.cluster.kubectl(
            "delete", "namespace", tenant.namespace, "--wait=false", "--ignore-not-found"
        )


@pytest.fixture
def tenant(new_tenant: Callable[[], Tenant]) -> Tenant:
    """Give a tenant with nobody in it."""
    return new_tenant()
