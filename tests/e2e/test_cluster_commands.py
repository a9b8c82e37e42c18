"""The commands that need pods, on a cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from testkit.cluster_tenant import ClusterTenant
from testkit.sync_command import ordinary
from testkit.waiting import wait_for
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


def test_a_check_speaks_from_a_pod_like_a_runs_and_leaves_nothing_behind(
    tenant: ClusterTenant,
) -> None:
    """Before the first run: it reaches what only pods can reach, and names what a Secret lacks, by code 20.

    The operator takes it for no run. Ctrl-C takes the Job and its pod along.
    """
    tenant.add_people([ordinary("Che Quay", 1)])
    tenant.apply(suspend=True, dryRun=False)
    wait_for("it is looked at", lambda: tenant.condition("Synced").get("reason") == "Suspended")
    cluster = tenant.environment.cluster
    before = tenant.status()

    done = _check(tenant)
    assert done.exit_code == 0, done.output + done.errors
    (job,) = re.findall(r"^Job (check-\w+) in namespace", done.errors, re.MULTILINE)
    lines = {tuple(line.split(maxsplit=2)[:2]): line for line in done.output.splitlines()}
    assert {status for status, _ in lines} == {"OK", "skipped"}
    assert lines["OK", "bind"].endswith(
        "at ldaps://dc1.directory.svc"
    )  # no name outside the cluster
    assert lines["OK", "people"].split(maxsplit=2)[2].startswith("1 people")
    assert lines["OK", "API"].endswith(f"responds at https://highq.highq-sim.svc/{tenant.name}")
    assert {"references", "hosts", "pictures", "state", "token"} <= {name for _, name in lines}
    wait_for("nothing of the check", lambda: not _left_of(tenant, job))
    assert tenant.status() == before
    assert tenant.jobs() == []
    assert tenant.highq.uploads() == []

    interrupted = subprocess.Popen(
        [sys.executable, "-m", "profile_image_sync", *_arguments(tenant)],
        env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert interrupted.stderr
    job = interrupted.stderr.readline().split()[1]
    interrupted.send_signal(signal.SIGINT)
    output, errors = interrupted.communicate(timeout=60)
    assert (interrupted.returncode, output) == (130, ""), errors
    assert "Traceback" not in errors
    wait_for("nothing of the check", lambda: not _left_of(tenant, job))

    cluster.kubectl("delete", "secret", "ad-bind", f"--namespace={tenant.namespace}")
    missing = _check(tenant)
    assert missing.exit_code == 20
    assert re.match(r"failed +references .*Secret ad-bind, key username: is not", missing.output)


def _arguments(tenant: ClusterTenant) -> tuple[str, ...]:
    return ("check", "--in-cluster", f"{tenant.namespace}/{tenant.name}")


def _check(tenant: ClusterTenant) -> CommandResult:
    return command(*_arguments(tenant), KUBECONFIG=str(tenant.environment.cluster.kubeconfig))


def _left_of(tenant: ClusterTenant, job: str) -> list[str]:
    """Return what is there of a Job of a check; pods that are going are gone."""
    found = [
        each["metadata"]
        for kind in ("jobs", "pods")
        for each in tenant.environment.cluster.select(kind, tenant.namespace)
    ]
    return [
        each["name"]
        for each in found
        if each["name"].startswith(job) and "deletionTimestamp" not in each
    ]


def _runs(log: str) -> set[str]:
    """Return the Jobs that the lines of a log name."""
    lines: list[Mapping[str, Any]] = [json.loads(line) for line in log.splitlines()]
    return {str(line["job"]) for line in lines if "job" in line}
