"""What an answer of the API server means. Pure: one table from status to error, with the remedy.

A refusal is quoted, but never one about a Secret: the server's message may repeat what was sent.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from profile_image_sync.kube.errors import (
    ApiConflict,
    ApiError,
    ApiExpired,
    ApiForbidden,
    ApiNotFound,
    ApiRefused,
    ApiUnavailable,
)
from profile_image_sync.kube.resources import Body, ObjectRef

QUOTED_CHARACTERS = 500  # of a refusal
ALREADY_EXISTS = "AlreadyExists"

_VERBS: Final = {
    "GET": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_TRANSIENT: Final = {
    HTTPStatus.CONFLICT,  # of a quota, when an object is made
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


def parse(method: str, ref: ObjectRef, status: int, data: bytes) -> Body:
    """Return the object of a success. Raises an ApiError for everything else."""
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise error_of(method, ref, status, answer)
    if not isinstance(answer, dict):
        raise ApiUnavailable(f"{ref.description}: the API server's answer is no JSON object")
    return answer


def error_of(method: str, ref: ObjectRef, status: int, answer: Any) -> ApiError:
    """Return what a refusal means; `answer` is the Status object that came with it, if one came."""
    word = _text(answer, "reason")
    shown = f"{status} {word}".rstrip()
    if status == HTTPStatus.GONE:
        return ApiExpired(f"{ref.description}: the resourceVersion is too old ({shown})")
    if status == HTTPStatus.NOT_FOUND and method == "PUT":
        return ApiConflict(f"{ref.description} has been removed")
    if status == HTTPStatus.CONFLICT and (method != "POST" or word == ALREADY_EXISTS):
        return ApiConflict(f"{ref.description} has been changed or made by someone else")
    if status in _TRANSIENT:
        return unavailable(ref, f"answers {shown}")
    message = _text(answer, "message")[:QUOTED_CHARACTERS]
    detail = f"{shown}: {message}" if message and ref.kind != "Secret" else shown
    if status == HTTPStatus.FORBIDDEN:
        return ApiForbidden(
            f"{ref.description}: not allowed to {_VERBS[method]} it ({detail}): a Role or its binding is "
            "missing or was changed, a quota or an admission policy is against it, or the namespace is "
            "being deleted"
        )
    error = ApiNotFound if status == HTTPStatus.NOT_FOUND else ApiRefused
    return error(
        f"{ref.description}: the API server refuses to {_VERBS[method]} it ({detail}): see its audit log, "
        "and admission webhooks and quotas of the namespace"
    )


def unavailable(ref: ObjectRef, trouble: str) -> ApiUnavailable:
    """Return the error of trouble that may pass, in words that go on from "the API server"."""
    return ApiUnavailable(
        f"{ref.description}: the API server {trouble}; see whether it is well and can be reached from here"
    )


def _text(answer: Any, key: str) -> str:
    return str(answer.get(key) or "") if isinstance(answer, dict) else ""
