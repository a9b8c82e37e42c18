"""`spec.job`: settings of a run's Job and pod. The fields are Kubernetes' own, with bounds."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from profile_image_sync.api.model import LIST_TYPE, ApiModel, Count, Rule, Whole, matches

_QUANTITY = "[0-9]+(?:[.][0-9]+)?(?:m|k|Ki|[MGTPE]i?)?"

_KEY_LENGTH = 317  # characters: a DNS name, a slash and 63 more
_LABEL_KEY = "(?:[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?"

LabelKey = Annotated[
    str,
    Field(max_length=_KEY_LENGTH),
    matches(_LABEL_KEY, "must be the key of a label, such as kubernetes.io/arch"),
]
LabelValue = Annotated[
    str,
    Field(max_length=63),
    matches(
        "(?:[A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?)?",
        "must be the value of a label: letters, digits, -, _ and .",
    ),
]
ResourceName = Annotated[str, Field(min_length=1, max_length=253)]
Quantity = Annotated[
    str,
    # `cpu: 1` is as good as `cpu: "1"`, as everywhere in Kubernetes
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(max_length=32),
    matches(_QUANTITY, "must be a quantity such as 100m or 256Mi", quote=True),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            "pattern": f"^{_QUANTITY}$",
            "x-kubernetes-int-or-string": True,
        }
    ),
]
Quantities = Annotated[dict[ResourceName, Quantity], Field(max_length=16)]


class TolerationOperator(StrEnum):
    """How a toleration is compared with a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """Effect of a taint on pods."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(ApiModel):
    """A node taint that the pod tolerates."""

    rules = (
        Rule(
            field="value",
            cel="!has(self.operator) || self.operator != 'Exists' || !has(self.value)"
            " || self.value == ''",
            holds=lambda t: t.operator is not TolerationOperator.EXISTS or not t.value,
            message="must be left out when operator is Exists",
        ),
        Rule(
            field="effect",
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            holds=lambda t: t.toleration_seconds is None or t.effect is TaintEffect.NO_EXECUTE,
            message="must be NoExecute when tolerationSeconds is given",
        ),
        Rule(
            field="key",
            cel="has(self.key)",
            holds=lambda t: t.key is not None,
            message="must be given: a run must not tolerate every taint",
        ),
    )

    key: LabelKey | None = Field(None, examples=["dedicated"])
    """Key of the taint. Required: a run must not tolerate every taint."""
    operator: TolerationOperator = TolerationOperator.EQUAL
    """Exists: any value of the taint matches. Equal: only the given value matches."""
    value: LabelValue | None = Field(None, examples=["batch"])
    """Value of the taint."""
    effect: TaintEffect | None = Field(None, examples=["NoSchedule"])
    """Effect of the taint. Omitted: all effects."""
    toleration_seconds: Count | None = Field(None, examples=[300])
    """Seconds that a pod stays on a node after a NoExecute taint. Omitted: it is never evicted."""


class ResourceRequirements(ApiModel):
    """CPU and memory of a run's pod."""

    requests: Quantities = Field({}, examples=[{"cpu": "100m", "memory": "128Mi"}])
    """Resources that are reserved for the pod, as Kubernetes quantities."""
    limits: Quantities = Field({}, examples=[{"memory": "512Mi"}])
    """Resources that the pod must not exceed, as Kubernetes quantities."""


class JobSettings(ApiModel):
    """Settings of a run's Job and pod."""

    active_deadline_seconds: Whole = Field(14_400, ge=60, le=604_800, examples=[3600])
    """Time limit of a run in seconds. What HighQ accepted before the limit is recorded."""
    backoff_limit: Whole = Field(2, ge=0, le=20, examples=[4])
    """How often a run is started again after an error that may pass (a server that cannot be reached)."""
    successful_jobs_history_limit: Whole = Field(3, ge=0, le=100, examples=[1])
    """Number of successful Jobs to keep, for their logs."""
    failed_jobs_history_limit: Whole = Field(3, ge=0, le=100, examples=[1])
    """Number of failed Jobs to keep, for their logs."""
    resources: ResourceRequirements = ResourceRequirements(
        requests={"cpu": "100m", "memory": "128Mi"}, limits={"memory": "512Mi"}
    )
    """CPU and memory of a run's pod. A given value replaces the whole default."""
    node_selector: Annotated[
        dict[str, LabelValue],
        Field(max_length=16),
        Rule(
            cel=f"self.all(key, key.size() <= {_KEY_LENGTH} && key.matches(r'^{_LABEL_KEY}$'))",
            holds=lambda labels: all(
                len(key) <= _KEY_LENGTH and re.fullmatch(_LABEL_KEY, key) for key in labels
            ),
            message="must have keys of labels, such as kubernetes.io/arch",
        ),
    ] = Field({}, examples=[{"kubernetes.io/arch": "amd64"}])
    """Labels that a node must have to run the pod."""
    tolerations: tuple[Toleration, ...] = Field(
        (), max_length=16, json_schema_extra={LIST_TYPE: "atomic"}
    )
    """Taints of nodes that the pod does not mind."""
