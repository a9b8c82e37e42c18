"""What others or other versions stored, read tolerantly. Pure.

A newer worker, an older operator or a hand may have written it: what is not known is passed over, and what
cannot be read counts as not there. The contract itself is strict (`api`).
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from profile_image_sync import names
from profile_image_sync.api.report import Report, decode_report
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.status import ProfileImageSyncStatus
from profile_image_sync.controller.bodies import Body
from profile_image_sync.controller.snapshot import Reference

ACKNOWLEDGE_LENGTH = 128  # characters of spec.safety.acknowledge


def read_status(body: Body) -> ProfileImageSyncStatus:
    """Read what was written before, field by field where it cannot be read as a whole."""
    status: dict[str, Any] = dict(body.get("status", {}))
    if "hold" in status:  # its name in the first delivery
        status.setdefault("pause", status.pop("hold"))
    try:
        return ProfileImageSyncStatus.model_validate(status, extra="ignore")
    except ValidationError:
        readable = dict(filter(_readable, status.items()))
        return ProfileImageSyncStatus.model_validate(readable, extra="ignore")


def _readable(field: tuple[str, Any]) -> bool:
    try:
        ProfileImageSyncStatus.model_validate(dict([field]), extra="ignore")
    except ValidationError:
        return False
    return True


def read_report(body: Body | None) -> Report | None:
    """Read the last run's report; one that cannot be read is replaced by the next run's."""
    text = ((body or {}).get("data") or {}).get(names.REPORT_KEY)
    return decode_report(text) if text else None


def acknowledged_spec(spec: ProfileImageSyncSpec, annotation: str) -> ProfileImageSyncSpec:
    """Return the spec with the ids that the annotation acknowledges beside its own."""
    own = spec.safety.acknowledge.split()
    ids = dict.fromkeys([*own, *annotation.split()])
    words = " ".join(ids)
    if list(ids) == own or len(words) > ACKNOWLEDGE_LENGTH:
        return spec
    safety = spec.safety.model_copy(update={"acknowledge": words})
    return spec.model_copy(update={"safety": safety})


def read_reference(kind: str, name: str, metadata: Body | None) -> Reference:
    """Return the version of an object's data, from who wrote fields of it, and when.

    resourceVersion changes with every annotation, and the data itself is not for us to read.
    """
    if metadata is None:
        return Reference(kind, name, "", None)
    meta = metadata["metadata"]
    writers = [
        (each.get("manager", ""), each.get("operation", ""), each["time"])
        for each in meta.get("managedFields") or ()
        if each.get("time") and {"f:data", "f:binaryData"} & set(each.get("fieldsV1", {}))
    ]
    basis: object = sorted(writers) if writers else meta["resourceVersion"]
    changed = max((time for _, _, time in writers), default=meta["creationTimestamp"])
    text = json.dumps([meta["uid"], basis])
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Reference(kind, name, version, datetime.fromisoformat(changed))
