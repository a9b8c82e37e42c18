"""Secrets and ConfigMaps as documents of a manifest, in the forms that Kubernetes accepts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from profile_image_sync.api.model import ApiModel, Flag, refusal
from profile_image_sync.api.object_references import ObjectName, ReferenceKind
from profile_image_sync.api.validation import validated


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """A Secret or ConfigMap of the file."""

    kind: ReferenceKind
    name: str
    namespace: str | None  # None: the namespace of the resource
    values: Mapping[str, bytes] = field(repr=False)


class _Metadata(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    name: ObjectName
    namespace: ObjectName | None = None


def _decoded(text: Any) -> bytes:
    """Decode base64, which may be broken into lines."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (AttributeError, ValueError):
        raise refusal("must be base64; plain text goes into stringData") from None


_Base64 = Annotated[bytes, BeforeValidator(_decoded)]


class _SecretDocument(ApiModel):
    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: _Metadata
    type: str = ""
    immutable: Flag = False
    data: dict[str, _Base64] = Field({})
    string_data: dict[str, str] = Field({})

    def values(self) -> dict[str, bytes]:
        """Return the value of each key. stringData goes before data, as in Kubernetes."""
        return {**self.data, **{key: text.encode() for key, text in self.string_data.items()}}


class _ConfigMapDocument(ApiModel):
    api_version: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: _Metadata
    immutable: Flag = False
    data: dict[str, str] = Field({})
    binary_data: dict[str, _Base64] = Field({})

    def values(self) -> dict[str, bytes]:
        return {**self.binary_data, **{key: text.encode() for key, text in self.data.items()}}


def read_object(document: dict[str, Any], where: str) -> ManifestObject:
    """Read a Secret or a ConfigMap; `where` names the document in messages. Raises InvalidSpec."""
    kind = document["kind"]
    prefix = f"{where} ({kind}): "
    read: _SecretDocument | _ConfigMapDocument
    if kind == "Secret":
        read = validated(_SecretDocument, document, prefix)
    else:
        read = validated(_ConfigMapDocument, document, prefix)
    return ManifestObject(read.kind, read.metadata.name, read.metadata.namespace, read.values())
