"""An instance of its own for each test, and an HTTP client as its administrator."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest

from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people, person

Connect = Callable[..., httpx.Client]


@pytest.fixture
def highq(simulator: Simulator) -> Instance:
    """Give a HighQ with users 1 to 5 and, as 6, its system administrator."""
    return simulator.create_instance(users=[*people(5), person(6, sysadmin=True)])


@pytest.fixture(scope="session")
def trust(simulator: Simulator) -> ssl.SSLContext:
    """Give what trusts the simulator's certificate."""
    return ssl.create_default_context(cafile=simulator.ca_file)


@pytest.fixture
def connect(trust: ssl.SSLContext) -> Iterator[Connect]:
    """Give a maker of clients: of an instance, with or without a token, from an address."""
    clients: list[httpx.Client] = []

    def make(
        instance: Instance, token: str | None = None, address: str | None = None
    ) -> httpx.Client:
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        client = httpx.Client(
            base_url=instance.url + "/",
            headers=headers,
            transport=httpx.HTTPTransport(verify=trust, local_address=address),
            timeout=20,
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def api(highq: Instance, connect: Connect) -> httpx.Client:
    """Give a client of `highq` that acts as its administrator and asks for JSON."""
    return connect(highq, highq.tokens().access_token)
