"""Bad input as resources: the condition names the thing and the remedy; 20 is not retried, 30 is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from testkit.cluster_tenant import ClusterTenant
from testkit.environment import Environment
from testkit.kind_cluster import CommandFailed
from testkit.sync_command import ordinary
from testkit.waiting import wait_for
from tests.support.bad_input import BAD_INPUT

FAST: dict[str, Any] = {"job": {"backoffLimit": 1}, "dryRun": False}
SECRETS = ("wrong-horse", "no-such-secret")


def _wrong_password(tenant: ClusterTenant) -> dict[str, Any]:
    tenant.apply_secrets(password=SECRETS[0])
    return {}


def _wrong_client_secret(tenant: ClusterTenant) -> dict[str, Any]:
    tenant.apply_secrets(client_secret=SECRETS[1])
    return {}


def _missing_secret(tenant: ClusterTenant) -> dict[str, Any]:
    where = f"--namespace={tenant.namespace}"
    tenant.environment.cluster.kubectl("delete", "secret", "highq-oauth", where)
    return {}


def _unknown_authority(_: ClusterTenant) -> dict[str, Any]:
    return {"activeDirectory": {"caBundleRef": {"name": "highq-ca"}}}


def _wrong_host_name(tenant: ClusterTenant) -> dict[str, Any]:
    service = tenant.environment.cluster.get("service", "dc1", "directory") or {}
    return {"activeDirectory": {"servers": [f"ldaps://{service['spec']['clusterIP']}"]}}


def _unreachable_directory(_: ClusterTenant) -> dict[str, Any]:
    return {"activeDirectory": {"servers": ["ldaps://dc9.directory.svc"]}}


def _search_base_that_is_not_there(tenant: ClusterTenant) -> dict[str, Any]:
    return {"activeDirectory": {"searchBases": [f"OU=Nowhere,{tenant.organizational_unit}"]}}


def _host_that_is_not_allowed(_: ClusterTenant) -> dict[str, Any]:
    return {"highq": {"url": "https://elsewhere.example/acme"}}


# Of BAD_INPUT: what a cluster brings about in another way than the command line.
MISTAKES: dict[str, Callable[[ClusterTenant], dict[str, Any]]] = {
    "wrong_password": _wrong_password,
    "wrong_client_secret": _wrong_client_secret,
    "missing_secret": _missing_secret,
    "unknown_authority": _unknown_authority,
    "wrong_host_name": _wrong_host_name,
    "unreachable_directory": _unreachable_directory,
    "search_base_that_is_not_there": _search_base_that_is_not_there,
}


@pytest.fixture(scope="module")
def spoilt(kind_environment: Environment) -> Iterator[dict[str, ClusterTenant]]:
    """Give a tenant for each case, all applied at once, so that their runs go side by side."""
    tenants = {}
    for number, (mistake, spoil) in enumerate(MISTAKES.items()):
        name = f"bad-{number}"
        tenant = tenants[mistake] = ClusterTenant.create(kind_environment, name, name)
        tenant.add_people([ordinary(f"Person Bad{number}", number)])
        tenant.apply(**FAST | spoil(tenant))
    yield tenants
    for tenant in tenants.values():
        kind_environment.cluster.kubectl("delete", "namespace", tenant.namespace, "--wait=false")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_condition_names_the_thing_and_the_remedy(
    spoilt: dict[str, ClusterTenant], mistake: str
) -> None:
    """Ready is False with the reason; a person must act (Stalled) after 20, and only then."""
    tenant, expected = spoilt[mistake], BAD_INPUT[mistake]

    run = tenant.next_run({})

    assert run["outcome"] == "Failed"
    ready, stalled = tenant.condition("Ready"), tenant.condition("Stalled")
    assert (ready["status"], ready["reason"]) == ("False", expected.reason), ready
    assert re.search(expected.says, ready["message"]), ready["message"]
    assert stalled["status"] == ("True" if expected.exit_code == 20 else "False")
    pods = 1 if expected.exit_code == 20 else 1 + FAST["job"]["backoffLimit"]
    assert [_exit_code(pod) for pod in _pods(tenant, run["job"])] == [expected.exit_code] * pods
    told = tenant.environment.cluster.kubectl("get", "profileimagesync,events,configmaps", "-o", "yaml",
                                        f"--namespace={tenant.namespace}")  # fmt: skip
    assert not any(secret in told for secret in SECRETS)
    assert tenant.avatar_calls() == []


def test_after_a_refused_password_the_schedule_rests_until_the_secret_is_mended(
    spoilt: dict[str, ClusterTenant],
) -> None:
    """Retries lock accounts: the CronJob is suspended; a mended Secret starts a run at once."""
    tenant = spoilt["wrong_password"]
    assert _schedule(tenant)["suspend"] is True

    refused = tenant.last_run()
    tenant.apply_secrets()

    run = tenant.next_run(refused)
    assert (run["trigger"], run["uploaded"]) == ("Retry", 1)
    assert _schedule(tenant)["suspend"] is False
    assert tenant.condition("Ready")["status"] == "True"


def test_a_host_that_the_installation_does_not_allow_gets_no_run(tenant: ClusterTenant) -> None:
    """`allow.highqHosts` of the chart: no Secret of this namespace goes elsewhere."""
    tenant.apply(dryRun=False, **_host_that_is_not_allowed(tenant))

    stalled = wait_for("Stalled", lambda: tenant.condition("Stalled").get("status") == "True", 120)

    assert stalled
    assert tenant.condition("Stalled")["reason"] == "HostNotAllowed"
    assert "allow.highqHosts" in tenant.condition("Stalled")["message"]
    assert tenant.jobs() == []


def test_the_api_servers_own_address_and_other_internal_ones_are_refused(
    tenant: ClusterTenant,
) -> None:
    """Although `allow.directoryHosts` is `*`: who may write a resource reaches nothing by way of the runs."""
    service = tenant.environment.cluster.get("service", "kubernetes") or {}
    for host in (service["spec"]["clusterIP"], "169.254.169.254", "127.0.0.1"):
        tenant.apply(dryRun=False, activeDirectory={"servers": [f"ldaps://{host}"]})
        wait_for(host, lambda: host in tenant.condition("Stalled").get("message", ""), 60)  # noqa: B023
        assert tenant.condition("Stalled")["reason"] == "HostNotAllowed"
    assert tenant.jobs() == []


def test_a_bad_manifest_is_refused_by_the_api_server_with_the_fields_name(
    tenant: ClusterTenant,
) -> None:
    """No webhook: the CRD itself says no."""
    with pytest.raises(CommandFailed, match=r"spec\.image\.maxSize"):
        tenant.apply(image={"maxSize": 100})


def _pods(tenant: ClusterTenant, job: str) -> list[dict[str, Any]]:
    label = f"batch.kubernetes.io/job-name={job}"
    return tenant.environment.cluster.select("pods", tenant.namespace, label)


def _exit_code(pod: dict[str, Any]) -> int:
    code: int = pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
    return code


def _schedule(tenant: ClusterTenant) -> dict[str, Any]:
    found = (
        tenant.environment.cluster.get("cronjob", f"pisync-{tenant.name}", tenant.namespace) or {}
    )
    spec: dict[str, Any] = found["spec"]
    return spec
