"""What an answer of the API server means, case by case."""

from __future__ import annotations

import json
from typing import Any

import pytest

from profile_image_sync.kube.errors import (
    ApiConflict,
    ApiError,
    ApiExpired,
    ApiForbidden,
    ApiNotFound,
    ApiRefused,
    ApiUnavailable,
)
from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.kube.responses import QUOTED_CHARACTERS, error_of, parse

MAP, SECRET = ObjectRef("ConfigMap", "tenant-acme", "m"), ObjectRef("Secret", "tenant-acme", "s")


def status(reason: str = "", message: str = "because") -> dict[str, Any]:
    """Return the Status object that comes with a refusal."""
    return {"kind": "Status", "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("method", "code", "reason", "error"),
    [
        ("GET", 404, "NotFound", ApiNotFound),
        ("POST", 404, "NotFound", ApiNotFound),
        ("PATCH", 404, "NotFound", ApiNotFound),
        ("DELETE", 404, "NotFound", ApiNotFound),
        ("PUT", 404, "NotFound", ApiConflict),  # it has been removed since it was read
        ("PUT", 409, "Conflict", ApiConflict),
        ("PATCH", 409, "Conflict", ApiConflict),
        ("DELETE", 409, "Conflict", ApiConflict),
        ("POST", 409, "AlreadyExists", ApiConflict),
        ("POST", 409, "Conflict", ApiUnavailable),  # a quota's counter
        ("POST", 409, "", ApiUnavailable),
        ("GET", 410, "Gone", ApiExpired),
        ("GET", 410, "Expired", ApiExpired),
        ("POST", 403, "Forbidden", ApiForbidden),
        ("GET", 401, "Unauthorized", ApiRefused),
        ("PUT", 400, "BadRequest", ApiRefused),
        ("PUT", 413, "RequestEntityTooLarge", ApiRefused),
        ("PUT", 422, "Invalid", ApiRefused),
        ("GET", 408, "Timeout", ApiUnavailable),
        ("GET", 429, "TooManyRequests", ApiUnavailable),
        ("GET", 500, "InternalError", ApiUnavailable),
        ("GET", 502, "", ApiUnavailable),
        ("GET", 503, "ServiceUnavailable", ApiUnavailable),
        ("GET", 504, "Timeout", ApiUnavailable),
        ("GET", 0, "", ApiRefused),  # an ERROR event without a code
    ],
)
def test_each_answer_has_one_meaning(
    method: str, code: int, reason: str, error: type[ApiError]
) -> None:
    """Who called tells conflict, absence and refusal apart by the type, never by words."""
    assert type(error_of(method, MAP, code, status(reason))) is error


@pytest.mark.parametrize(
    ("method", "verb"),
    [
        ("GET", "get"),
        ("POST", "create"),
        ("PUT", "update"),
        ("PATCH", "patch"),
        ("DELETE", "delete"),
    ],
)
def test_a_refusal_names_object_verb_and_the_servers_words(method: str, verb: str) -> None:
    """A quota, a policy, a field: the API server's own sentence says which."""
    forbidden = str(error_of(method, MAP, 403, status("Forbidden", "exceeded quota: few")))
    assert forbidden.startswith(
        f"{MAP.description}: not allowed to {verb} it (403 Forbidden: exceeded quota: few): "
    )
    invalid = str(error_of(method, MAP, 422, status("Invalid", "data: too long")))
    assert f"refuses to {verb} it (422 Invalid: data: too long): see" in invalid


def test_nothing_that_a_server_says_about_a_secret_is_quoted() -> None:
    """It may repeat the value that it refuses."""
    for code in (403, 422, 409, 503):
        assert "hush" not in str(error_of("PUT", SECRET, code, status("Word", "hush")))


def test_a_long_refusal_is_cut() -> None:
    """A policy's sentence may be pages long; status and log lines are not."""
    text = str(error_of("PUT", MAP, 422, status("Invalid", "x" * 10_000)))
    assert text.count("x") < QUOTED_CHARACTERS + 20


@pytest.mark.parametrize("answer", [None, [], "text", {"reason": None}])
def test_a_refusal_without_a_status_object_is_told_by_its_number(answer: Any) -> None:
    """A proxy in between answers with HTML, or nothing."""
    assert "refuses to get it (418): see" in str(error_of("GET", MAP, 418, answer))


def test_a_success_is_the_object_that_came() -> None:
    """200 and 201 alike."""
    for code in (200, 201):
        assert parse("POST", MAP, code, b'{"kind": "ConfigMap"}') == {"kind": "ConfigMap"}


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b"null"])
def test_a_success_without_an_object_may_pass(data: bytes) -> None:
    """The answer was cut, or something in between gave it: asked again, it may be there."""
    with pytest.raises(ApiUnavailable, match="answer is no JSON object"):
        parse("GET", MAP, 200, data)


def test_a_redirect_is_no_success() -> None:
    """The API server sends none; whoever does is not it."""
    with pytest.raises(ApiRefused):
        parse("GET", MAP, 302, json.dumps({"kind": "ConfigMap"}).encode())


@pytest.mark.parametrize(
    ("ref", "path", "words"),
    [
        (
            MAP,
            "/api/v1/namespaces/tenant-acme/configmaps/m",
            "ConfigMap m in namespace tenant-acme",
        ),
        (ObjectRef("Job", "a"), "/apis/batch/v1/namespaces/a/jobs", "jobs in namespace a"),
        (ObjectRef("Lease", ""), "/apis/coordination.k8s.io/v1/leases", "leases"),
    ],
)
def test_an_object_has_one_path_and_one_description(ref: ObjectRef, path: str, words: str) -> None:
    """An object, all of a namespace, all of a kind."""
    assert (ref.path, ref.description) == (path, words)


def test_an_item_of_a_list_gets_its_kind_back() -> None:
    """Lists leave it out, and metadata has another one."""
    item = {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "x"},
    }
    whole = ObjectRef("CronJob", "").complete(item)
    assert whole == {"kind": "CronJob", "apiVersion": "batch/v1", "metadata": {"name": "x"}}
