"""Names of objects and where the API server keeps them. Pure: the one table of kinds and paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from profile_image_sync import names

Body = dict[str, Any]  # a Kubernetes object as JSON

_BATCH, _RBAC = "batch/v1", "rbac.authorization.k8s.io/v1"
_KINDS: Final = {  # kind: API version, plural
    names.KIND: (names.API_VERSION, names.PLURAL),
    "ConfigMap": ("v1", "configmaps"),
    "CronJob": (_BATCH, "cronjobs"),
    "Event": ("events.k8s.io/v1", "events"),
    "Job": (_BATCH, "jobs"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "Pod": ("v1", "pods"),
    "Role": (_RBAC, "roles"),
    "RoleBinding": (_RBAC, "rolebindings"),
    "Secret": ("v1", "secrets"),
    "ServiceAccount": ("v1", "serviceaccounts"),
}


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object; or, without a name, all objects of a kind in a namespace ("": in all of them)."""

    kind: str
    namespace: str
    name: str = ""

    @classmethod
    def of(cls, body: Body) -> Self:
        """Return where this object is kept."""
        metadata = body["metadata"]  # without a name: one is generated
        return cls(body["kind"], metadata["namespace"], metadata.get("name", ""))

    @property
    def api_version(self) -> str:
        """The API version that we speak of this kind."""
        return _KINDS[self.kind][0]

    @property
    def path(self) -> str:
        """The path of the object or the collection."""
        version, plural = _KINDS[self.kind]
        group = f"/apis/{version}" if "/" in version else f"/api/{version}"
        namespace = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{group}{namespace}/{plural}" + (f"/{self.name}" if self.name else "")

    @property
    def description(self) -> str:
        """The object in words, for messages."""
        which = f"{self.kind} {self.name}" if self.name else f"{_KINDS[self.kind][1]}"
        return f"{which} in namespace {self.namespace}" if self.namespace else which

    def complete(self, body: Body) -> Body:
        """Return an item of this collection with the kind that lists and metadata leave out."""
        return {**body, "apiVersion": self.api_version, "kind": self.kind}
