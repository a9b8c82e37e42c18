"""A tenant in the kind cluster: a namespace with the resource, an organizational unit, a HighQ instance.

The counterpart of `sync_command.LocalTenant`, whose runs are processes of this machine.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import yaml

from testkit.environment import DIRECTORY_URL, HIGHQ_HOST, TENANT_LABEL, Environment
from testkit.kind_cluster import ROOT, Document
from testkit.people import SamplePerson
from testkit.simulator.process import Instance
from testkit.sync_command import add_people, merged
from testkit.waiting import wait_for

EXAMPLE = ROOT / "examples" / "01-one-tenant" / "tenant.yaml"
REQUEST = "profileimagesync.io/run-request"
RUN_SECONDS = 300  # failing tests alone wait as long; pods of a busy machine are slow


@dataclass
class ClusterTenant:
    """One customer; every method changes or reads the real directory, HighQ and cluster."""

    environment: Environment
    name: str  # of the resource and of the HighQ instance
    namespace: str
    organizational_unit: str  # DN
    highq: Instance
    spec: dict[str, Any]
    guids: dict[str, UUID] = field(default_factory=dict)  # by account
    ids: dict[str, int] = field(default_factory=dict)  # of HighQ's users, by account

    @classmethod
    def create(cls, environment: Environment, name: str, namespace: str) -> ClusterTenant:
        """Create a tenant without people; its namespace enforces Pod Security `restricted`."""
        key, value = TENANT_LABEL.split("=")
        labels = {"pod-security.kubernetes.io/enforce": "restricted", key: value}
        meta = {"name": namespace, "labels": labels}
        environment.cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": meta}])
        organizational_unit = environment.administrator.empty_organizational_unit(name)
        highq = environment.simulator.create_instance(name)
        tenant = cls(
            environment,
            name,
            namespace,
            organizational_unit,
            highq,
            _spec(organizational_unit, name),
        )
        tenant.apply_secrets()
        return tenant

    def apply_secrets(self, **passwords: str) -> None:
        """Apply the Secrets and CA bundles that the spec names; `password` and `client_secret` may differ."""
        client = self.highq.credentials
        user, password = self.environment.reader
        secrets = {
            "ad-bind": {"username": user, "password": passwords.get("password", password)},
            "highq-oauth": {
                "clientId": client.client_id,
                "clientSecret": passwords.get("client_secret", client.client_secret),
                "refreshToken": client.refresh_token,
            },
        }
        bundles = {"corp-ca": self.environment.directory_ca, "highq-ca": self.environment.highq_ca}
        documents = [_document("Secret", name, stringData=data) for name, data in secrets.items()]
        documents += [
            _document("ConfigMap", name, data={"ca.crt": text}) for name, text in bundles.items()
        ]
        self.environment.cluster.apply(documents, self.namespace)

    def add_people(self, people: Iterable[SamplePerson], first_id: int = 1) -> None:
        """Add people to the directory and, where `highq` says so, to HighQ."""
        guids, ids = add_people(
            self.environment.administrator, self.highq, self.organizational_unit, people, first_id
        )
        self.guids |= guids
        self.ids |= ids

    def apply(self, **changes: Any) -> None:
        """Apply the resource as `kubectl apply` does; `changes` are kept for later calls."""
        self.spec = merged(self.spec, changes)
        resource: Document = {
            "apiVersion": "profileimagesync.io/v1alpha1",
            "kind": "ProfileImageSync",
            "metadata": {"name": self.name},
            "spec": self.spec,
        }
        self.environment.cluster.apply([resource], self.namespace)

    def status(self) -> Mapping[str, Any]:
        """Return the status, empty if there is none."""
        found = self.environment.cluster.get("profileimagesync", self.name, self.namespace) or {}
        status: Mapping[str, Any] = found.get("status", {})
        return status

    def condition(self, kind: str) -> Mapping[str, str]:
        """Return a condition, empty if there is none."""
        return next((c for c in self.status().get("conditions", ()) if c["type"] == kind), {})

    def last_run(self) -> Mapping[str, Any]:
        """Return the last run that ended, empty if none has."""
        run: Mapping[str, Any] = self.status().get("lastRun", {})
        return run

    def next_run(self, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """Wait for a run to end other than `before`; return it."""

        def ended() -> Mapping[str, Any] | None:
            run = self.last_run()
            return run if run and run["id"] != before.get("id") else None

        return self._checked(wait_for(f"a run of {self._place}", ended, RUN_SECONDS))

    def run_now(self) -> Mapping[str, Any]:
        """Ask for a run as a person does, by the annotation; return it when it has ended."""
        value = uuid.uuid4().hex[:8]
        self.environment.cluster.kubectl(
            "annotate", "profileimagesync", self.name, f"--namespace={self.namespace}", "--overwrite",
            f"{REQUEST}={value}",
        )  # fmt: skip

        def served() -> Mapping[str, Any] | None:
            run = self.last_run()
            return run if run.get("request") == value else None

        return self._checked(wait_for(f"the requested run of {self._place}", served, RUN_SECONDS))

    @property
    def _place(self) -> str:
        return f"{self.namespace}/{self.name}"

    def _checked(self, run: Mapping[str, Any]) -> Mapping[str, Any]:
        assert self.highq.foreign_calls() == []
        return run

    def avatar_calls(self) -> list[int]:
        """Return the users of all avatar calls since the audit was reset."""
        calls = self.highq.audit(operation="avatar")
        return [call.user_id for call in calls if call.user_id is not None]

    def jobs(self) -> list[Document]:
        """Return the Jobs of the resource."""
        return self.environment.cluster.select(
            "jobs", self.namespace, f"profileimagesync.io/sync={self.name}"
        )


def _spec(organizational_unit: str, instance: str) -> dict[str, Any]:
    """Return the spec of the example, with the addresses of this directory and this HighQ."""
    spec: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())["spec"]
    addresses = {
        "schedule": "@daily-random",  # no scheduled run while the scenario starts its own
        "activeDirectory": {"servers": [DIRECTORY_URL], "searchBases": [organizational_unit]},
        "highq": {"url": f"https://{HIGHQ_HOST}/{instance}", "caBundleRef": {"name": "highq-ca"}},
    }
    return merged(spec, addresses)


def _document(kind: str, name: str, **content: Any) -> Document:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}} | content
