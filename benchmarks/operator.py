"""What the operator costs an API server, and how soon it acts: `make bench-operator [N=1000] [IDLE=600]`.

On one control plane without nodes: N resources that are suspended, then others at ten a second that each want
a Job. The API server's audit log counts what an idle operator asks. Prints a table, and as its last line one
JSON object of its figures.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.operator_process import USER, Installation, end, peak_mib
from profile_image_sync import names
from profile_image_sync.kube.client import PATIENT, ApiClient
from profile_image_sync.kube.errors import ApiError
from profile_image_sync.kube.resources import Body, ObjectRef
from testkit.audit_log import AuditedRequest, read_audit_log
from testkit.control_plane import run_control_plane
from testkit.waiting import wait_for

ROOT = Path(__file__).parents[1]
RESOURCES = int(os.environ.get("N") or "1000")
IDLE_SECONDS = float(os.environ.get("IDLE") or "600")
NAMESPACES = 20
CREATES = 200
CREATES_A_SECOND = 10.0
CHILDREN = (
    *("ServiceAccount", "Role", "RoleBinding", "Lease", "ConfigMap", "Secret", "CronJob"),
    "Job",
)


def resource(index: int, prefix: str, **spec: Any) -> Body:
    """Return a resource."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": f"{prefix}{index}", "namespace": f"tenants-{index % NAMESPACES}"},
        "spec": {
            "mode": "OneOff",
            "activeDirectory": {
                "servers": ["ldaps://dc1.corp.example"],
                "credentialsSecretRef": {"name": f"ad-{prefix}{index}"},
            },
            "highq": {
                "url": f"https://{prefix}{index}.highq.com/{prefix}{index}",
                "credentialsSecretRef": {"name": f"highq-{prefix}{index}"},
            },
            **spec,
        },
    }


class Jobs:
    """When the first Job of each resource appeared, and how many each has, by a watch."""

    def __init__(self, client: ApiClient) -> None:
        self.first: dict[str, float] = {}
        self.names: dict[str, set[str]] = {}
        self.ended = threading.Event()
        self._client = client
        self._labels = f"{names.MANAGED_BY_LABEL}={names.PRODUCT}"
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self.ended.is_set():
            with suppress(ApiError):
                self._follow()

    def _follow(self) -> None:
        with self._client.watch(ObjectRef("Job", ""), self._labels) as events:
            for event in events:
                if event.type == "ADDED":
                    owner = event.body["metadata"]["labels"][names.SYNC_LABEL]
                    self.first.setdefault(owner, time.monotonic())
                    self.names.setdefault(owner, set()).add(event.body["metadata"]["name"])


class Bench:
    """The measurements, in the order that they are taken."""

    def __init__(self, installation: Installation) -> None:
        environment = {"KUBECONFIG": str(installation.control_plane.kubeconfig)}
        self.client = ApiClient.connect(environment, field_manager="bench", retry=PATIENT)
        self.jobs = Jobs(self.client)
        self.installation = installation
        self.figures: dict[str, float] = {}

    def run(self) -> None:
        """Take all measurements."""
        for index in range(NAMESPACES):
            self.installation.kubectl("create", "namespace", f"tenants-{index}")
        operator = self.installation.start()
        suspended = {"mode": "Continuous", "schedule": "@daily-random", "suspend": True}
        began = time.monotonic()
        self._create_all(resource(i, "s", **suspended) for i in range(RESOURCES))
        took = time.monotonic() - began
        what = f"seconds until {RESOURCES} are observed, from the first of their creates"
        self._show("fill_seconds", what, took)
        self._create_to_job("c", operator)
        self._bare_calls()
        self._idle()
        self._show("memory_mib", "operator's memory at its highest, MiB", peak_mib(operator))
        self._restart(operator)
        self._two_replicas()

    def _show(self, key: str, what: str, value: float) -> None:
        """Keep a figure, and print it as a line of the table."""
        self.figures[key] = round(value, 4)
        print(f"{self.figures[key]:>10g}  {what}", flush=True)

    def _create_all(self, bodies: Iterable[Body]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.client.create, bodies))
        self._wait_until_observed()

    def _wait_until_observed(self) -> None:
        """Wait until every resource's status is about its present spec."""

        def observed() -> bool:
            return all(
                each.get("status", {}).get("observedGeneration") == each["metadata"]["generation"]
                for each in self.client.list(ObjectRef(names.KIND, ""))
            )

        wait_for("all resources observed", observed, 900, interval=2.0)  # a listing is work, too

    def _create_at_rate(self, prefix: str, count: int) -> dict[str, float]:
        """Create OneOff resources at a fixed rate; return when each was begun."""
        began: dict[str, float] = {}
        created: list[Future[None]] = []

        def create(index: int) -> None:
            began[f"{prefix}{index}"] = time.monotonic()
            self.client.create(resource(index, prefix))

        start = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            for index in range(count):
                time.sleep(max(0.0, start + index / CREATES_A_SECOND - time.monotonic()))
                created.append(pool.submit(create, index))
        for each in created:
            each.result()
        wait_for("their Jobs", lambda: began.keys() <= self.jobs.first.keys(), 120)
        return began

    def _create_to_job(self, prefix: str, operator: subprocess.Popen[bytes]) -> None:
        before = self.installation.work(operator)
        began = self._create_at_rate(prefix, CREATES)
        after = self.installation.work(operator)
        cpu, reconciles = (
            after.cpu_seconds - before.cpu_seconds,
            after.reconciles - before.reconciles,
        )
        self._show("cpu_ms_per_create", "CPU of the operator a create, ms", 1000 * cpu / CREATES)
        self._show("reconciles_per_create", "reconciles a create", reconciles / CREATES)
        took = sorted(self.jobs.first[name] - at for name, at in began.items())
        rate = f"create to Job at {CREATES_A_SECOND:g} a second, seconds"
        self._show("create_to_job_p50_seconds", f"{rate}: p50", statistics.median(took))
        self._show("create_to_job_p99_seconds", f"{rate}: p99", percentile(took, 99))

    def _bare_calls(self) -> None:
        """Measure what a script takes to make the same objects one after the other, on the idle server."""
        made = resource(0, "c")["metadata"]
        labels = f"{names.SYNC_LABEL}={made['name']}"
        children = [
            child
            for kind in CHILDREN
            for child in self.client.list(ObjectRef(kind, made["namespace"]), labels)
        ]
        took = sorted(self._make_again(children, number) for number in range(50))
        what = f"the same {len(children)} objects by bare calls, seconds"
        self._show("bare_calls_p50_seconds", f"{what}: p50", statistics.median(took))
        self._show("bare_calls_p99_seconds", f"{what}: p99", percentile(took, 99))
        ratio = self.figures["create_to_job_p50_seconds"] / self.figures["bare_calls_p50_seconds"]
        self._show("ratio_to_bare_calls", "create to Job by bare calls, p50", ratio)

    def _make_again(self, children: Sequence[Body], number: int) -> float:
        copies = [bare_copy(child, f"bare-{number}") for child in children]
        began = time.monotonic()
        for body in copies:
            self.client.create(body)
        return time.monotonic() - began

    def _idle(self) -> None:
        time.sleep(45)  # the last of what was to be done, and one bookmark of each watch
        asked = self._requests_during(IDLE_SECONDS)
        held = self._count_resources()
        rate = len(asked) / (IDLE_SECONDS / 60) / held
        what = f"requests of the idle operator a minute and resource ({held})"
        self._show("idle_requests_per_resource_minute", what, rate)
        writes = [each for each in asked if each.writes and each.resource != "leases"]
        self._show("idle_writes", "writes of the idle operator but its Lease's", len(writes))
        for each in writes[:5]:
            print(f"    {each.verb} {each.resource} {each.name}: {each.status}")

    def _requests_during(self, seconds: float) -> list[AuditedRequest]:
        since = datetime.now(UTC)
        time.sleep(seconds)
        until = datetime.now(UTC)
        time.sleep(1)
        return read_audit_log(self.installation.control_plane.audit_log, USER, since, until)

    def _count_resources(self) -> int:
        return sum(1 for _ in self.client.list(ObjectRef(names.KIND, "")))

    def _restart(self, operator: subprocess.Popen[bytes]) -> None:
        """Change every spec while no operator is there; measure until all are served."""
        end(operator)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._touch, self.client.list(ObjectRef(names.KIND, ""))))
        anew = self.installation.start()
        began = time.monotonic()
        self._wait_until_observed()
        took = time.monotonic() - began
        self._show("restart_seconds", "seconds until all are converged after a restart", took)
        what = "memory of one that found them all at its start, at its highest, MiB"
        self._show("memory_after_restart_mib", what, peak_mib(anew))
        done = self.installation.work(anew)
        cpu = 1000 * done.cpu_seconds / max(1, done.reconciles)
        self._show(
            "cpu_ms_per_reconcile", "CPU of the operator a reconcile, its start included, ms", cpu
        )

    def _touch(self, body: Body) -> None:
        kept = {"apiVersion": body["apiVersion"], "kind": body["kind"]}
        where = {key: body["metadata"][key] for key in ("name", "namespace")}
        self.client.patch(
            {**kept, "metadata": where, "spec": {"safety": {"maxChangedPercent": 49}}}
        )

    def _two_replicas(self) -> None:
        """Kill the leader amid creates: a second replica goes on, and no resource gets two Jobs."""
        leader = self.installation.replicas[-1]
        self.installation.start()
        time.sleep(10)  # it follows everything, and waits for the Lease
        killer = threading.Timer(3.0, leader.kill)
        killer.start()
        began = self._create_at_rate("k", 60)
        took = max(self.jobs.first[name] - at for name, at in began.items())
        what = "longest create to Job, seconds, with the leader killed amid 60"
        self._show("failover_seconds", what, took)
        twice = [name for name in began if len(self.jobs.names[name]) > 1]
        self._show("jobs_made_twice", "resources with two Jobs", len(twice))


def bare_copy(body: Body, name: str) -> Body:
    """Return the object as somebody would create it, under another name and without an owner."""
    own = body["metadata"]["name"]
    metadata = {"name": f"{own}-{name}", "namespace": body["metadata"]["namespace"]}
    copy = {key: value for key, value in body.items() if key not in ("metadata", "status")}
    if body["kind"] == "Job":
        copy["spec"] = {"suspend": True, "template": body["spec"]["template"]}
        template = copy["spec"]["template"]
        copy["spec"]["template"] = {"metadata": {}, "spec": template["spec"]}
    return copy | {"metadata": metadata}


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that so many percent do not exceed."""
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 3)


def main() -> None:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with run_control_plane(folder / "data") as control_plane:
            installation = Installation(control_plane, folder)
            installation.install(sorted((ROOT / "crds").glob("*.yaml")))
            bench = Bench(installation)
            try:
                bench.run()
            except AssertionError:
                print(installation.last_words())
                raise
            finally:
                bench.jobs.ended.set()
                installation.stop()
    print(json.dumps(bench.figures))


if __name__ == "__main__":
    main()
