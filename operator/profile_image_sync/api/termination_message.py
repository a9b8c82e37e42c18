"""What a worker leaves as its pod's termination message: its report, cut to what Kubernetes keeps.

The report's ConfigMap is overwritten by the next run, and a run may lose the right to write it. The pod
tells how its own run ended until the Job is removed, so that nothing is guessed from an exit code.
"""

from __future__ import annotations

from pydantic import ValidationError

from profile_image_sync.api.report import Report

PATH = "/dev/termination-log"
MAX_BYTES = 4096  # of all containers of a pod; Kubernetes cuts off what is longer
MAX_MESSAGE_CHARACTERS = 700  # of at most four bytes, each at most six as JSON


def encode(report: Report) -> str:
    """Return the run, how it ended and why; reasons and notes are left out."""
    short = Report(
        run=report.run,
        exit_code=report.exit_code,
        reason=report.reason,
        message=report.message[:MAX_MESSAGE_CHARACTERS],
        brake=report.brake and report.brake.model_copy(update={"message": ""}),
        highq_token_expiry=report.highq_token_expiry,
    )
    text = short.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)
    if len(text.encode()) <= MAX_BYTES:
        return text
    return encode(short.model_copy(update={"message": "", "brake": None}))


def decode(text: str) -> Report | None:
    """Read it back; None: something else wrote it (without a message of its own, the end of the log)."""
    try:
        return Report.model_validate_json(text, extra="ignore")
    except ValidationError:
        return None
