"""What the installation decides: one JSON file that the chart writes from its values.

Nothing of a tenant is here, and nothing of the installation is in a tenant's resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from profile_image_sync import names
from profile_image_sync.api.allow import Allow
from profile_image_sync.api.model import ApiModel, first_problem
from profile_image_sync.errors import InvalidSpec

FILE = Path("/etc/profile-image-sync/operator.json")


class OperatorSettings(ApiModel):
    """The chart's values, as far as the operator needs them."""

    worker_image: str
    """Of the pods that do the runs; the operator's own unless the chart says otherwise."""
    worker_image_pull_policy: str = "IfNotPresent"
    """As Kubernetes defines it."""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the tenants' namespaces."""
    pod_labels: dict[str, str] = Field(default_factory=dict)
    """More labels of the workers' pods."""
    pod_annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the workers' pods."""
    priority_class_name: str = ""
    """Of the workers' pods."""
    affinity: dict[str, Any] = Field(default_factory=dict)
    """Of the workers' pods, as Kubernetes defines it."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment of the workers' pods: HTTPS_PROXY, NO_PROXY."""
    volumes: tuple[dict[str, Any], ...] = ()
    """Additional volumes of the workers' pods, as Kubernetes defines them."""
    volume_mounts: tuple[dict[str, Any], ...] = ()
    """Where the workers see these volumes."""
    allow: Allow = Allow()
    """Hosts that resources may name."""
    watch_namespaces: tuple[str, ...] = ()
    """Where resources are served. Empty: everywhere."""
    leader_namespace: str = ""
    """Where the Lease of the leading replica is. Empty: there is one replica, and it leads."""
    leader_lease: str = names.PRODUCT
    """Name of that Lease."""
    resync_seconds: int = Field(300, ge=10)
    """How often everything is looked at without being told."""


def load(path: Path, environment: Mapping[str, str]) -> OperatorSettings:
    """Read the file. Raises InvalidSpec with one line that names the field.

    The pod's environment tells the address of the API server, which no resource may name.
    """
    try:
        settings = OperatorSettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InvalidSpec(f"{path} is not there: the chart mounts it from its ConfigMap") from None
    except ValidationError as error:
        raise InvalidSpec(f"{path}: {first_problem(error)}: check the chart's values") from None
    api_server = environment.get("KUBERNETES_SERVICE_HOST", "")
    if not api_server:
        return settings
    known = (*settings.allow.api_server_hosts, api_server)
    return settings.model_copy(
        update={"allow": settings.allow.model_copy(update={"api_server_hosts": known})}
    )
