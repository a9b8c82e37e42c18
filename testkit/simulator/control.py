"""The control API `/_sim/`, for tests and people: JSON in, JSON out.

Apart from the instances' own paths, so that no test traffic shows in an audit. No password: a simulator
holds no real secret.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .accounts import User
from .instances import Instance, Instances, picture_facts
from .schema import AuditEntry, Fault, InstanceSettings, Knobs, SimulatorModel, UserSettings

_USERS = TypeAdapter(list[UserSettings])


class Advance(SimulatorModel):
    """Body of POST clock."""

    seconds: float


class WhichTokens(SimulatorModel):
    """Body of POST tokens/revoke and tokens/expire."""

    kind: Literal["access", "refresh", "both"] = "access"

    @property
    def kinds(self) -> list[Literal["access", "refresh"]]:
        """The one kind, or both."""
        return ["access", "refresh"] if self.kind == "both" else [self.kind]


class WhichClient(SimulatorModel):
    """Body of POST tokens."""

    client_id: str


class _NotFound(Exception):
    pass


async def list_instances(request: Request) -> Response:
    """Tell all instances."""
    return JSONResponse([_summary(request, one) for one in _instances(request)])


async def create_instance(request: Request) -> Response:
    """Make an instance; one of the same name is replaced."""
    settings = InstanceSettings.model_validate_json(await request.body())
    instance = _instances(request).create(settings)
    return JSONResponse(_summary(request, instance), 201)


async def show_instance(request: Request) -> Response:
    """Tell one instance: address, clock, clients with their secrets, knobs, counts."""
    return JSONResponse(_summary(request, _instance(request)))


async def remove_instance(request: Request) -> Response:
    """Forget an instance."""
    _instances(request).remove(_instance(request).name)
    return Response(status_code=204)


async def put_users(request: Request) -> Response:
    """Add users, or replace those of the same id."""
    users = _USERS.validate_json(await request.body())
    _instance(request).put_users(users)
    return JSONResponse({"users": len(users)})


async def show_user(request: Request) -> Response:
    """Tell a user, and the facts of the picture, if there is one."""
    user = _user(request)
    told = {name: getattr(user, name) for name in UserSettings.model_fields if name != "picture"}
    told["picture"] = picture_facts(user.picture).model_dump() if user.picture else None
    return JSONResponse(told)


async def change_user(request: Request) -> Response:
    """Change some fields of a user."""
    user = _user(request)
    told = {name: getattr(user, name) for name in UserSettings.model_fields if name != "picture"}
    changes = json.loads(await request.body())
    checked = UserSettings.model_validate(told | changes | {"id": user.id, "picture": None})
    changed = replace(user, **checked.model_dump(exclude={"picture"}))
    _instance(request).change_user(changed)
    return Response(status_code=204)


async def remove_user(request: Request) -> Response:
    """Forget a user."""
    _instance(request).remove_user(_user(request).id)
    return Response(status_code=204)


async def show_picture(request: Request) -> Response:
    """Give a picture's bytes just as they were uploaded."""
    picture = _user(request).picture
    if picture is None:
        raise _NotFound
    return Response(picture.content, media_type=picture.content_type)


async def put_picture(request: Request) -> Response:
    """Change a picture as the person does in HighQ's own pages."""
    _instance(request).set_picture(_user(request), await request.body(), "person")
    return Response(status_code=204)


async def clear_picture(request: Request) -> Response:
    """Take a picture away."""
    _instance(request).clear_picture(_user(request))
    return Response(status_code=204)


async def turn_knobs(request: Request) -> Response:
    """Turn some knobs; answer with all."""
    instance = _instance(request)
    changes = json.loads(await request.body())
    instance.turn(Knobs.model_validate(instance.knobs.model_dump() | changes))
    return _dump(instance.knobs)


async def queue_fault(request: Request) -> Response:
    """Queue a fault."""
    _instance(request).faults.append(Fault.model_validate_json(await request.body()))
    return Response(status_code=204)


async def list_faults(request: Request) -> Response:
    """Tell the faults that still wait."""
    return _dump_all(_instance(request).faults)


async def clear_faults(request: Request) -> Response:
    """Forget the faults that still wait."""
    _instance(request).faults.clear()
    return Response(status_code=204)


async def advance_clock(request: Request) -> Response:
    """Move the instance's clock, and tell it."""
    instance = _instance(request)
    instance.advance_clock(Advance.model_validate_json(await request.body()).seconds)
    return JSONResponse({"now": instance.now()})


async def issue_tokens(request: Request) -> Response:
    """Make a pair of tokens without the browser."""
    instance = _instance(request)
    client_id = WhichClient.model_validate_json(await request.body()).client_id
    if client_id not in instance.authorisations.clients:
        raise _NotFound
    return _dump(instance.issue(client_id))


async def revoke_tokens(request: Request) -> Response:
    """Forget tokens: callers are "not authorised"."""
    instance = _instance(request)
    which = WhichTokens.model_validate_json(await request.body())
    instance.authorisations.revoke(which.kinds)
    instance.save()
    return Response(status_code=204)


async def expire_tokens(request: Request) -> Response:
    """Let tokens run out now, without moving the clock."""
    instance = _instance(request)
    which = WhichTokens.model_validate_json(await request.body())
    instance.authorisations.expire(which.kinds, instance.now())
    instance.save()
    return Response(status_code=204)


async def show_audit(request: Request) -> Response:
    """Tell the calls, oldest first; `after` a number, of an `operation`, with a `verdict`."""
    after = int(request.query_params.get("after", "0"))
    operation = request.query_params.get("operation")
    verdict = request.query_params.get("verdict")
    return _dump_all(
        [
            entry
            for entry in _instance(request).audit
            if entry.sequence > after
            and operation in {None, entry.operation}
            and verdict in {None, entry.verdict}
        ]
    )


async def reset_audit(request: Request) -> Response:
    """Forget the calls so far."""
    _instance(request).reset_audit()
    return Response(status_code=204)


def routes() -> list[Route]:
    """All of `/_sim/`."""
    one = "/_sim/instances/{instance}"
    user = one + "/users/{user:int}"
    table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("GET", "/_sim/instances", list_instances),
        ("POST", "/_sim/instances", create_instance),
        ("GET", one, show_instance),
        ("DELETE", one, remove_instance),
        ("POST", one + "/users", put_users),
        ("GET", user, show_user),
        ("PATCH", user, change_user),
        ("DELETE", user, remove_user),
        ("GET", user + "/picture", show_picture),
        ("PUT", user + "/picture", put_picture),
        ("DELETE", user + "/picture", clear_picture),
        ("PATCH", one + "/knobs", turn_knobs),
        ("POST", one + "/faults", queue_fault),
        ("GET", one + "/faults", list_faults),
        ("DELETE", one + "/faults", clear_faults),
        ("POST", one + "/clock", advance_clock),
        ("POST", one + "/tokens", issue_tokens),
        ("POST", one + "/tokens/revoke", revoke_tokens),
        ("POST", one + "/tokens/expire", expire_tokens),
        ("GET", one + "/audit", show_audit),
        ("DELETE", one + "/audit", reset_audit),
    ]
    return [Route(path, _guarded(action), methods=[method]) for method, path, action in table]


def _guarded(
    action: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        try:
            return await action(request)
        except _NotFound:
            return JSONResponse({"error": "no such instance, user or picture"}, 404)
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, 422)

    return guarded


def _instances(request: Request) -> Instances:
    instances: Instances = request.app.state.instances
    return instances


def _instance(request: Request) -> Instance:
    instance = _instances(request).get(request.path_params["instance"])
    if instance is None:
        raise _NotFound
    return instance


def _user(request: Request) -> User:
    user = _instance(request).users.get(request.path_params["user"])
    if user is None:
        raise _NotFound
    return user


def _summary(request: Request, instance: Instance) -> dict[str, object]:
    clients = instance.authorisations.clients.values()
    return {
        "name": instance.name,
        "url": f"{request.base_url}{instance.name}",
        "now": instance.now(),
        "users": len(instance.users),
        "pictures": sum(user.picture is not None for user in instance.users.values()),
        "clients": [client.model_dump() for client in clients],
        "knobs": instance.knobs.model_dump(),
    }


def _dump(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


def _dump_all(models: Sequence[AuditEntry | Fault]) -> Response:
    body = "[" + ",".join(model.model_dump_json() for model in models) + "]"
    return Response(body, media_type="application/json")
