"""What the pod template gives to a run: its run spec, and which Job's pod it is in.

Apart, because an operator of another version may have written the template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from profile_image_sync import names
from profile_image_sync.api.run_spec import (
    JOB_NAME_VARIABLE,
    JOB_UID_VARIABLE,
    RUN_SPEC_VARIABLE,
    RunSpec,
    decode_run_spec,
)
from profile_image_sync.errors import InvalidSpec


@dataclass(frozen=True, slots=True)
class PodEnvironment:
    """One run, as its pod was told."""

    run_spec: RunSpec
    job_uid: str
    job: str  # the Job's name; the uid where the first version made the Job
    run_id: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables. Raises InvalidSpec."""
        for name in (RUN_SPEC_VARIABLE, JOB_UID_VARIABLE):
            if not environment.get(name):
                raise InvalidSpec(
                    f"the variable {name} is not set: this command runs in the pods that the operator makes; "
                    "elsewhere, use `sync -f`"
                )
        run_spec, uid = (
            decode_run_spec(environment[RUN_SPEC_VARIABLE]),
            environment[JOB_UID_VARIABLE],
        )
        if job := environment.get(JOB_NAME_VARIABLE):
            return cls(run_spec, uid, job, names.run_id(run_spec.name, job))
        return cls(run_spec, uid, uid, str(uuid4()))
