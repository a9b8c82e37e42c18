"""The API operations, each with HighQ's order of checks. Refusals are raised as ApiError."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from . import accounts, avatar_files
from .accounts import User
from .avatar_files import Box
from .calls import Call, admit, find_user
from .grants import OAuthError
from .rendering import ApiError, Document, PageError, consent_screen, page, render
from .schema import Operation, SetBy

FORM_TYPE = "application/x-www-form-urlencoded"


async def authorise(call: Call) -> Response:
    """Send the browser of an administrator, logged in and willing, back with a code; ask first, if set so."""
    query, instance = call.request.query_params, call.instance
    client = instance.authorisations.clients.get(query.get("client_id", ""))
    if client and client.consent_screen and "decision" not in query:
        return consent_screen(instance.name, client.client_id, call.request.url)
    target = None
    if query.get("response_type") == "code":
        target = instance.authorisations.authorise(
            query.get("client_id", ""),
            query.get("redirect_uri", ""),
            instance.browser_user(),
            instance.now(),
        )
        instance.save()
    return RedirectResponse(target, 302) if target else page(400)


async def token(call: Call) -> Response:
    """Trade a code or a refresh token for a new pair."""
    instance, knobs = call.instance, call.instance.knobs
    try:
        granted = instance.grant(await _token_form(call.request))
    except OAuthError as error:
        if knobs.token_error_body == "highq":
            raise ApiError(error.status, error.status, error.error) from None
        return render("error", {"error": error.error}, call.form, error.status)
    issued = instance.authorisations.tokens
    user = instance.users.get(granted.user_id)
    call.entry.token = issued[granted.pair.access_token].name
    document = {
        "access_token": granted.pair.access_token,
        "expires_in": round(granted.client.access_lifetime),
        "refresh_token": granted.pair.refresh_token,
        "refresh_token_expires_in": round(granted.client.refresh_lifetime),
        "token_type": "bearer",
        "useremail": user.email if user else "",
    }
    return render("TokenResponse", document, call.form)


async def list_users(call: Call) -> Response:
    """List users; for system administrators only."""
    _require_administrator(admit(call))
    query, users = call.request.query_params, call.instance.users.values()
    base, knobs = call.base, call.instance.knobs
    if call.publisher:
        found, total = accounts.publisher_page(users, query)
        fields = query.get("fields", "")
        rows = [accounts.publisher_fields(user, base, knobs, fields) for user in found]
    else:
        found, total = accounts.collaborate_page(users, query)
        version = call.target.version
        rows = [accounts.collaborate_user(user, base, version, knobs) for user in found]
    document: dict[str, object] = {"total": len(rows), "totalcount": total, "user": rows}
    if knobs.numbers_as_text:
        document |= {"total": str(len(rows)), "totalcount": str(total)}
    if knobs.single_element == "object" and len(rows) < 2:
        del document["user"]
        if rows:
            document["user"] = rows[0]
    return render("users", document, call.form)


async def get_user(call: Call) -> Response:
    """Show one user, by id or by mail address."""
    admit(call)
    by_email = call.publisher or call.request.query_params.get("type") == "email"
    user = _target(call, by_email=by_email)
    base, knobs = call.base, call.instance.knobs
    if call.publisher:
        return _publisher_answer(call, accounts.publisher_user(user, base, knobs))
    document = accounts.collaborate_user(user, base, call.target.version, knobs)
    return render("user", document, call.form)


async def get_avatar(call: Call) -> Response:
    """Show a user's picture in one of HighQ's sizes, or the placeholder."""
    admit(call)
    user = _target(call)
    size = call.request.query_params.get("size", "256")
    if size not in map(str, avatar_files.SIZES):
        raise ApiError(400, 74, "Size is not valid")
    if user.picture:
        content, media_type = await run_in_threadpool(
            avatar_files.shown, user.picture.content, user.picture.crop, int(size)
        )
    elif call.instance.knobs.missing_avatar == "404":
        raise ApiError(404, 404, "Avatar does not exist")
    else:
        content, media_type = avatar_files.placeholder(int(size)), "image/png"
    chosen = call.instance.knobs.avatar_type
    return Response(content, media_type=media_type if chosen == "image" else chosen)


async def post_avatar(call: Call) -> Response:
    """Take a picture as multipart form, by Collaborate's rules."""
    user, actor = _uploading(call, "avatar", by_email=False)
    knobs = call.instance.knobs
    if not call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(400, 74)
    try:
        async with call.request.form() as form:
            file = form.get("file")
            content = await file.read() if isinstance(file, UploadFile) else None
            content_type = file.content_type if isinstance(file, UploadFile) else None
            texts = {name: value for name, value in form.items() if isinstance(value, str)}
    except HTTPException:
        raise ApiError(400, 74) from None
    if content is None:
        raise ApiError(knobs.validation_status, 397)
    _record_without_upload(call, content, content_type)
    if not content:
        raise ApiError(knobs.validation_status, 406)
    if len(content) > knobs.max_upload_bytes:
        raise ApiError(500, 399)
    crop = await run_in_threadpool(
        avatar_files.check_avatar, content, texts, knobs.validation_status
    )
    _accept(call, user, actor, content, crop)
    return Response(b"")


async def post_profile_image(call: Call) -> Response:
    """Take a picture as the body, raw or base64, by Publisher's rules."""
    user, actor = _uploading(call, "profileimage", by_email=True)
    content_type = call.request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type not in {"image/png", "image/jpeg"}:
        raise PageError(415)
    body = await call.request.body()
    _record_without_upload(call, body, content_type)
    if not body:
        raise ApiError(400, 74)
    if len(body) > call.instance.knobs.max_upload_bytes:
        raise ApiError(500, 399)
    content = avatar_files.unwrap(body)
    _record_without_upload(call, content, content_type)
    _accept(call, user, actor, content, None)
    summary = accounts.publisher_summary(user, call.base, call.instance.knobs)
    return _publisher_answer(call, summary)


async def unknown(call: Call) -> Response:  # noqa: ARG001  all handlers are called alike
    """There is no such path, or not with this method."""
    raise PageError(404)


HANDLERS: Mapping[Operation, Callable[[Call], Awaitable[Response]]] = {
    "authorise": authorise,
    "token": token,
    "list": list_users,
    "user": get_user,
    "get_avatar": get_avatar,
    "avatar": post_avatar,
    "profileimage": post_profile_image,
    "unknown": unknown,
}


def _uploading(call: Call, endpoint: str, *, by_email: bool) -> tuple[User, User]:
    """Pass the checks both uploads share; return the user to change and the one who does it."""
    if endpoint not in call.instance.knobs.upload_endpoints:
        raise PageError(404)
    actor = admit(call)
    user = _target(call, by_email=by_email)
    if user.id != actor.id:
        _require_administrator(actor)
    if user.archived and call.instance.knobs.archived_upload == "refuse":
        raise ApiError(403, 110)
    return user, actor


def _target(call: Call, *, by_email: bool = False) -> User:
    if not call.target.who.isdecimal() and not by_email:
        raise ApiError(400, 113)
    user = find_user(call.instance, call.target)
    if user is None:
        raise ApiError(call.instance.knobs.missing_user_status, 110)
    return user


def _require_administrator(user: User) -> None:
    if not user.sysadmin:
        raise ApiError(403, 123)


def _record_without_upload(call: Call, content: bytes, content_type: str | None) -> None:
    call.entry.md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    call.entry.content_type = content_type
    call.entry.size = len(content)


def _accept(call: Call, user: User, actor: User, content: bytes, crop: Box | None) -> None:
    set_by: SetBy = "person" if user.id == actor.id else "sync"
    call.instance.set_picture(user, content, set_by, crop)
    call.entry.verdict = "accepted"


def _publisher_answer(call: Call, user: Document) -> Response:
    return render("user", user if call.form == "xml" else {"user": user}, call.form)


async def _token_form(request: Request) -> dict[str, str]:
    if not request.headers.get("content-type", "").startswith(FORM_TYPE):
        raise OAuthError(400, "invalid_request")
    async with request.form() as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
