"""One resource, the reconciler that serves it, and the cluster in memory that both live in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from profile_image_sync import names
from profile_image_sync.api import termination_message
from profile_image_sync.api.report import Report
from profile_image_sync.api.status import Outcome, Run
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.reconcile import Reconciler
from profile_image_sync.kube.resources import ObjectRef
from tests.support.fake_api import FakeApi
from tests.support.snapshots import NOW, SETTINGS, SPEC

NS, NAME = "tenant-acme", "acme"


class Cluster:
    """One resource, its cluster, and the operator."""

    def __init__(self, spec: dict[str, Any] | None = None) -> None:
        """Apply a resource."""
        self.api = FakeApi()
        self.now = NOW
        self.apply(spec or {})
        self.restart()

    def restart(self) -> None:
        """Start the operator anew: it remembers nothing."""
        self.operator = Reconciler(self.api.client, self.api.store, SETTINGS, self.clock)

    def clock(self) -> datetime:
        """Tell the time, which goes on."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def apply(self, changes: dict[str, Any], **annotations: str) -> None:
        """Change the spec, as kubectl apply does."""
        ref = ObjectRef(names.KIND, NS, NAME)
        before = self.api.objects.get(ref, {})
        meta = before.get(
            "metadata", {"name": NAME, "namespace": NS, "generation": 0, "uid": "cr-1"}
        )
        spec = {key: value for key, value in (SPEC | changes).items() if value is not None}
        changed = spec != before.get("spec")
        meta = meta | {"generation": meta["generation"] + changed, "annotations": annotations}
        kind = {"apiVersion": names.API_VERSION, "kind": names.KIND}
        self.api.put({**before, **kind, "metadata": meta, "spec": spec})

    def reconcile(self) -> datetime | None:
        """Have the operator look once."""
        return self.operator.reconcile(NS, NAME)

    def settle(self) -> list[str]:
        """Have it look until it writes nothing; return what it wrote."""
        self.api.requests.clear()
        for _ in range(6):
            before = len(self.api.writes)
            self.reconcile()
            if len(self.api.writes) == before:
                return self.api.writes
        raise AssertionError(f"still writing: {self.api.writes[-6:]}")

    def get(self, kind: str, name: str) -> Body:
        """Return an object."""
        return self.api.objects[ObjectRef(kind, NS, name)]

    @property
    def status(self) -> Body:
        """Return the status of the resource."""
        found: Body = self.get(names.KIND, NAME)["status"]
        return found

    def condition(self, kind: str) -> Body:
        """Return one condition."""
        return next(each for each in self.status["conditions"] if each["type"] == kind)

    def jobs(self) -> list[Body]:
        """Return the Jobs."""
        return [body for ref, body in self.api.objects.items() if ref.kind == "Job"]

    def finish(self, job: Body, outcome: Outcome = Outcome.SUCCEEDED, **facts: Any) -> None:
        """End a run: its pod tells, its report is written, its Job is done."""
        self.now += timedelta(minutes=1)
        name = job["metadata"]["name"]
        run = Run(
            id=name.rpartition("-")[2],
            job=name,
            outcome=outcome,
            start_time=self.now - timedelta(seconds=30),
            completion_time=self.now,
            generation=facts.pop("generation", 1),
            **facts.pop("numbers", {}),
        )
        reports = facts.pop("reports", outcome is not Outcome.BUSY)
        report = Report(run=run, **{"exit_code": 0} | facts)
        if reports:
            config_map = self.get("ConfigMap", names.report(NAME))
            text = report.model_dump_json(by_alias=True)
            self.api.put({**config_map, "data": {names.REPORT_KEY: text}})
        self.pod_of(job, report)
        failed = report.exit_code not in (0, 10)
        condition = {
            "type": "Failed" if failed else "Complete",
            "status": "True",
            "reason": "PodFailurePolicy" if failed else "",
            "lastTransitionTime": self.now.isoformat(),
        }
        self.api.put({**job, "status": {"conditions": [condition]}})

    def pod_of(self, job: Body, report: Report | None = None, **state: Any) -> None:
        """Have a pod of a Job, ended with this report or in another state."""
        name = job["metadata"]["name"]
        if report:
            code = 0 if report.exit_code == 10 else report.exit_code
            message = termination_message.encode(report)
            state = {"terminated": {"exitCode": code, "message": message, "reason": "Completed"}}
        owner = {"kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
        self.api.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{name}-x",
                    "namespace": NS,
                    "labels": names.labels(NAME, "worker"),
                    "ownerReferences": [owner],
                },
                "status": {"containerStatuses": [{"name": "worker", "state": state}]},
            }
        )
