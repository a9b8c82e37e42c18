"""The commands that need pods, on a cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from testkit.cluster_tenant import ClusterTenant
from testkit.sync_command import ordinary
from tests.unit.cli.command import CommandResult, command


def test_logs_are_those_of_a_runs_pod(tenant: ClusterTenant) -> None:
    """The newest run's, or that of the run whose id is given; followed until it ends."""
    tenant.add_people([ordinary("Abe Quay", 1)])
    tenant.apply(dryRun=False)
    first = tenant.next_run({})

    def called(verb: str, *arguments: str) -> CommandResult:
        place = ("--namespace", tenant.namespace)
        kubeconfig = str(tenant.environment.cluster.kubeconfig)
        return command(verb, tenant.name, *arguments, *place, KUBECONFIG=kubeconfig)

    shown = called("logs")
    assert (shown.exit_code, shown.errors) == (0, "")
    assert _runs(shown.output) == {first["job"]}
    waited = called("run", "--wait")
    assert waited.exit_code == 0, waited.errors
    followed = called("logs", "--follow")
    assert followed.exit_code == 0
    (second,) = _runs(followed.output)
    assert second == tenant.last_run()["job"] != first["job"]
    assert called("logs", "--run", str(first["id"])).output == shown.output
    assert tenant.environment.cluster.kubectl("logs", f"job/{second}", "-n", tenant.namespace)


def _runs(log: str) -> set[str]:
    """Return the Jobs that the lines of a log name."""
    lines: list[Mapping[str, Any]] = [json.loads(line) for line in log.splitlines()]
    return {str(line["job"]) for line in lines if "job" in line}
