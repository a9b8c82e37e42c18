"""What the operator makes for one resource before its first run, and how a worker's pod sees it."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from profile_image_sync import names
from profile_image_sync.api import run_spec
from profile_image_sync.api.allow import Allow
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import new_header
from profile_image_sync.controller import manifests
from profile_image_sync.controller.bodies import Tenant
from profile_image_sync.kube.client import PATIENT, ApiClient
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.pod.main import FIELD_MANAGER
from testkit.control_plane import ControlPlane

STATE = UUID(int=0xACE)
SEED = "highq-oauth"
SPEC: Mapping[str, Any] = {
    "mode": "Continuous",
    "schedule": "@hourly",
    "activeDirectory": {
        "servers": ["ldaps://dc1.ad.test"],
        "credentialsSecretRef": {"name": "ad-bind"},
    },
    "highq": {"url": "https://acme.highq.com/acme", "credentialsSecretRef": {"name": SEED}},
}


@dataclass
class WorkerEnvironment:
    """A namespace with one resource's ServiceAccount, Role, Lease, report, state and tokens."""

    control_plane: ControlPlane
    folder: Path
    namespace: str
    resource: str
    kubeconfig: Path  # of the ServiceAccount
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def create(
        cls,
        control_plane: ControlPlane,
        folder: Path,
        namespace: str | None = None,
        *,
        resource: str = "acme",
    ) -> Self:
        """Make it all, in a new namespace unless one is named."""
        environment = cls(
            control_plane=control_plane,
            folder=folder,
            namespace=namespace or f"tenant-{uuid.uuid4().hex[:8]}",
            resource=resource,
            kubeconfig=folder / f"kubeconfig-{resource}",
        )
        if namespace is None:
            environment.kubectl("create", "namespace", environment.namespace)
        environment._make_children()
        environment._write_kubeconfig()
        return environment

    def close(self) -> None:
        """Close all connections."""
        self._open.close()

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Do something as the administrator, in this namespace."""
        command = [self.control_plane.kubectl, f"--kubeconfig={self.control_plane.kubeconfig}"]
        if self.namespace not in arguments:
            command.append(f"--namespace={self.namespace}")
        done = subprocess.run(
            [*map(str, command), *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object as the administrator sees it."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def client(self) -> ApiClient:
        """Return what the worker's pod has: the rights of the ServiceAccount, and waits cut short."""
        return self._client(self.kubeconfig)

    def administrator(self) -> ApiClient:
        """Return the same with all rights."""
        return self._client(self.control_plane.kubeconfig)

    def lease(self, name: str, holder: str, config: LeaseConfig) -> Lease:
        """Return a Lease of the namespace as a Job's pod has it."""
        client = self.client()
        return Lease(client, namespace=self.namespace, name=name, holder=holder, config=config)

    def variables(self, spec: Mapping[str, Any], job: str, **changes: Any) -> dict[str, str]:
        """Return what the pod template of a run sets; `changes` are fields of the run spec."""
        snapshot = run_spec.RunSpec(
            namespace=self.namespace,
            name=self.resource,
            generation=1,
            state_id=STATE,
            spec=ProfileImageSyncSpec.model_validate(spec),
            **{"allow": allow_hosts_of(spec)} | changes,
        )
        return {
            run_spec.RUN_SPEC_VARIABLE: snapshot.model_dump_json(by_alias=True, exclude_none=True),
            run_spec.JOB_UID_VARIABLE: job,
            run_spec.JOB_NAME_VARIABLE: names.child(self.resource, job),
            "KUBECONFIG": str(self.kubeconfig),
        }

    def _client(self, kubeconfig: Path) -> ApiClient:
        environment = {"KUBECONFIG": str(kubeconfig)}
        return self._open.enter_context(
            ApiClient.connect(
                environment, field_manager=FIELD_MANAGER, retry=PATIENT, sleep=lambda _: None
            )
        )

    def _make_children(self) -> None:
        spec = ProfileImageSyncSpec.model_validate(SPEC)
        tenant = Tenant(self.resource, self.namespace, "no-uid", 1, spec)
        bodies = [
            *manifests.rbac(tenant),
            *manifests.worker_objects(tenant),
            manifests.state_header(tenant, new_header(STATE)),
        ]
        for body in bodies:  # the resource itself is not there: its children would be collected
            body["metadata"].pop("ownerReferences", None)
        shared = names.token(SEED)
        if shared in self.kubectl("get", "leases", "--output=name"):
            bodies = [body for body in bodies if body["metadata"]["name"] != shared]
        listed = {"apiVersion": "v1", "kind": "List", "items": bodies}
        self.kubectl("create", "-f", "-", text=json.dumps(listed))

    def _write_kubeconfig(self) -> None:
        token = self.kubectl("create", "token", names.child(self.resource)).strip()
        config = json.loads(self.control_plane.kubeconfig.read_text())
        config["users"] = [{"name": "administrator", "user": {"token": token}}]
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(config))


def allow_hosts_of(spec: Mapping[str, Any]) -> Allow:
    """Allow what the spec names: the tests' servers are on loopback, which `*` does not include."""
    servers = spec["activeDirectory"]["servers"]
    proxy = spec["highq"].get("proxy")
    return Allow(
        proxy_hosts=(urlsplit(proxy["url"]).netloc,) if proxy else (),
        highq_hosts=(urlsplit(spec["highq"]["url"]).netloc,),
        directory_hosts=tuple(urlsplit(server).netloc for server in servers),
    )
