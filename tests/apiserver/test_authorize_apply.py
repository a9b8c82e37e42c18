"""`authorize --apply`: its own process, the simulator's consent, and a real API server."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import httpx
import pytest

from testkit.control_plane import ControlPlane
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people
from tests.support.authorizing import authorizing, sent_back
from tests.support.highq_session import HighQSession
from tests.support.operator import OperatorEnvironment

KEYS = {"clientId", "clientSecret", "refreshToken"}


@pytest.fixture
def instance(simulator: Simulator) -> Instance:
    """Give an instance with an administrator."""
    return simulator.create_instance(users=people(3))


@pytest.fixture
def tenant(control_plane: ControlPlane) -> OperatorEnvironment:
    """Give a namespace."""
    return OperatorEnvironment(control_plane)


def applied(
    simulator: Simulator, instance: Instance, tenant: OperatorEnvironment, *options: str
) -> tuple[int, str, str]:
    """Authorise as the administrator of the cluster; return exit code, output and errors."""
    kubeconfig = str(tenant.control_plane.kubeconfig)
    where = ("--apply", "-n", tenant.namespace, *options)
    with authorizing(simulator, instance, *where, KUBECONFIG=kubeconfig) as waiting:
        if waiting.address:
            httpx.get(sent_back(simulator, waiting.address), trust_env=False)
        return waiting.finished()


def secret_data(tenant: OperatorEnvironment, name: str = "highq-oauth") -> dict[str, str]:
    """Return what the Secret holds."""
    found = tenant.get("secret", name)
    assert found
    return {key: b64decode(value).decode() for key, value in found["data"].items()}


def test_the_secret_is_made_and_works(
    simulator: Simulator, instance: Instance, tenant: OperatorEnvironment, tmp_path: Path
) -> None:
    """One command, one click: the cluster holds an authorisation, and nothing secret was printed."""
    code, output, errors = applied(simulator, instance, tenant)
    assert (code, output) == (0, ""), errors
    assert f"Secret highq-oauth in namespace {tenant.namespace} is applied" in errors
    data = secret_data(tenant)
    assert set(data) == KEYS
    assert not any(data[key] in errors for key in KEYS - {"clientId"})
    session = HighQSession.at(simulator, instance, tmp_path / "tokens")
    session.replace_seed(data["refreshToken"])
    with session.open() as highq:
        assert highq.account_total() == 4


def test_a_secret_that_is_there_is_replaced_only_where_that_was_said(
    simulator: Simulator, instance: Instance, tenant: OperatorEnvironment
) -> None:
    """Told before anybody opens a browser; other keys and labels of the Secret stay."""
    old = ["--from-literal=refreshToken=old", "--from-literal=note=ours"]
    tenant.kubectl("create", "secret", "generic", "acme-highq", *old)
    tenant.kubectl("label", "secret", "acme-highq", "team=platform")
    code, _, errors = applied(simulator, instance, tenant, "--name", "acme-highq")
    assert code == 20
    assert errors.startswith(
        f"SecretExists: Secret acme-highq in namespace {tenant.namespace} is there"
    )
    assert secret_data(tenant, "acme-highq")["refreshToken"] == "old"
    assert instance.audit(operation="authorise") == []

    code, _, errors = applied(simulator, instance, tenant, "--name", "acme-highq", "--replace")
    assert code == 0, errors
    data = secret_data(tenant, "acme-highq")
    assert set(data) == KEYS | {"note"}
    assert data["refreshToken"] != "old"
    found = tenant.get("secret", "acme-highq")
    assert found
    assert found["metadata"]["labels"] == {"team": "platform"}


def test_a_cluster_that_will_not_take_it_is_told_before_the_consent(
    simulator: Simulator, instance: Instance, tenant: OperatorEnvironment, tmp_path: Path
) -> None:
    """No such context, no such namespace, no right: one line each, and HighQ is asked for nothing."""
    code, _, errors = applied(simulator, instance, tenant, "--context", "nowhere")
    assert code == 30
    assert "no cluster to talk to" in errors
    code, _, errors = applied(simulator, instance, tenant, "-n", "no-such-tenant")
    assert code == 20
    assert errors.startswith("NoSuchResource: there is no namespace no-such-tenant in this cluster")

    tenant.kubectl("create", "serviceaccount", "nobody")
    config = json.loads(tenant.control_plane.kubeconfig.read_text())
    token = tenant.kubectl("create", "token", "nobody").strip()
    config["users"] = [{"name": "administrator", "user": {"token": token}}]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    where = ("--apply", "-n", tenant.namespace)
    with authorizing(simulator, instance, *where, KUBECONFIG=str(kubeconfig)) as waiting:
        code, output, errors = waiting.finished()
    assert (code, output) == (30, "")
    assert errors.startswith(
        f"ApiForbidden: Secret highq-oauth in namespace {tenant.namespace}: not allowed to create it"
    )
    assert len(errors.splitlines()) == 1
    assert instance.audit(operation="authorise") == []
