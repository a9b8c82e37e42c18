"""Which ids a person may acknowledge for a resource, and the annotation that says so. Pure."""

from __future__ import annotations

from profile_image_sync import names
from profile_image_sync.api.state_header import StateHeader
from profile_image_sync.cluster.resources import SyncResource
from profile_image_sync.errors import PermanentError
from profile_image_sync.worker.acknowledgements import Acknowledgements

MAX_IDS = 4  # in the annotation: the operator passes over more than 128 characters of ids


class UnknownAcknowledgement(PermanentError):
    """The id belongs to no brake and to no edit of this resource, or was good once and is spent."""


def annotation(resource: SyncResource, header: StateHeader | None, wanted: str) -> str:
    """Return the annotation's value with one id more; the oldest fall out. Raises UnknownAcknowledgement.

    `header`: of the resource's state, None: there is none.
    """
    _require_known(resource, header, wanted)
    given = resource.annotations.get(names.ACKNOWLEDGE_ANNOTATION, "").split()
    return " ".join([*(each for each in given if each != wanted), wanted][-MAX_IDS:])


def _require_known(resource: SyncResource, header: StateHeader | None, wanted: str) -> None:
    known = [resource.status.brake.id] if resource.status.brake else []
    spent = header.spent_acknowledgements if header else ()
    if header:
        edits = Acknowledgements.parse(header, wanted)
        known += [edits.attributes_change, edits.match_change]
    open_ids = [each for each in known if each and each not in spent]
    if wanted in open_ids:
        return
    problem = "was acknowledged before, and is good once" if wanted in spent else "is not known"
    waiting = f"what waits is {', '.join(open_ids)}" if open_ids else "nothing waits"
    where = f"ProfileImageSync {resource.name} in namespace {resource.namespace}"
    raise UnknownAcknowledgement(f"{wanted} {problem} to {where}: {waiting}")
