"""The demo's scenario, step by step in this order, in namespaces that enforce Pod Security `restricted`."""

from __future__ import annotations

import pytest

from testkit.kind_cluster import CommandFailed
from testkit.scenario import PEOPLE, Scenario


def test_a_dry_run_plans_and_touches_nothing(scenario: Scenario) -> None:
    """The example as it stands says what would be uploaded; HighQ gets no call about a picture."""
    assert scenario.people_arrive() == PEOPLE + 1  # one of them is disabled
    scenario.dry_run()
    (condition,) = [c for c in scenario.acme.status()["conditions"] if c["type"] == "Synced"]
    assert condition["reason"] == "DryRun"


def test_the_first_run_serves_everyone_who_can_be_served(scenario: Scenario) -> None:
    """Also those who had a picture in HighQ: the first sync overrides."""
    scenario.first_run()


def test_the_columns_tell_how_the_last_run_went(scenario: Scenario) -> None:
    """`kubectl get profileimagesyncs` answers: did it work, when, how many, when next."""
    header, line = scenario.environment.cluster.kubectl(
        "get", "profileimagesyncs", f"--namespace={scenario.acme.namespace}"
    ).splitlines()
    for column in (
        "MODE",
        "SCHEDULE",
        "READY",
        "STATUS",
        "LAST RUN",
        "UPLOADED",
        "FAILED",
        "NEXT RUN",
    ):
        assert column in header
    assert line.split()[:5] == ["acme", "Continuous", "@daily-random", "True", "Succeeded"]


def test_kubectl_wait_sees_the_resource_ready(scenario: Scenario) -> None:
    """Scripts, Flux and Argo wait for Ready."""
    scenario.environment.cluster.kubectl(
        "wait",
        "profileimagesync/acme",
        "--namespace=tenant-acme",
        "--for=condition=Ready",
        "--timeout=5s",
    )


def test_a_run_without_a_change_calls_for_no_picture(scenario: Scenario) -> None:
    """Asked for by annotation, and answered in status."""
    run = scenario.quiet_run()
    assert scenario.acme.status()["lastHandledRunRequest"] == run["request"]


def test_one_changed_picture_is_exactly_one_upload(scenario: Scenario) -> None:
    """In Active Directory, seen by the next run."""
    scenario.one_change()


def test_a_persons_own_choice_survives_the_next_run(scenario: Scenario) -> None:
    """What somebody sets in HighQ stays while AD's picture stays."""
    scenario.own_choice()


def test_a_one_off_tenant_is_served_once_by_one_job(scenario: Scenario) -> None:
    """No schedule, no CronJob."""
    scenario.one_off()
    assert len(scenario.globex.jobs()) == 1


def test_a_joiner_of_a_one_off_tenant_is_served_and_a_change_is_not(scenario: Scenario) -> None:
    """Once per person, not per tenant."""
    scenario.joiner()


def test_neither_tenant_can_read_the_others_secrets_or_state(scenario: Scenario) -> None:
    """Two tenants side by side, held against the API server with their workers' real tokens."""
    cluster = scenario.environment.cluster
    tokens = {
        tenant.namespace: cluster.kubectl(
            "create", "token", f"pisync-{tenant.name}", f"--namespace={tenant.namespace}"
        ).strip()
        for tenant in (scenario.acme, scenario.globex)
    }
    # a kubeconfig's client certificate would win over --token: begin with an empty one
    server = cluster.kubectl(
        "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"
    )

    def read(token: str, namespace: str, what: str) -> str:
        arguments = ("--kubeconfig=/dev/null", f"--server={server}", "--insecure-skip-tls-verify")
        return cluster.kubectl(
            "get", *arguments, f"--token={token}", f"--namespace={namespace}", what
        )

    assert "pisync-acme-state" in read(
        tokens["tenant-acme"], "tenant-acme", "configmap/pisync-acme-state"
    )
    for tenant, other in ((scenario.acme, scenario.globex), (scenario.globex, scenario.acme)):
        token, name = tokens[tenant.namespace], other.name
        for what in ("secret/ad-bind", "secret/highq-oauth", "secrets", "configmaps",
                     f"configmap/pisync-{name}-state", f"secret/pisync-{name}-people"):  # fmt: skip
            with pytest.raises(CommandFailed, match=r"[Ff]orbidden"):
                read(token, other.namespace, what)
        for what in ("secrets", "secret/ad-bind", "configmaps"):
            with pytest.raises(CommandFailed, match=r"[Ff]orbidden"):
                read(token, tenant.namespace, what)
