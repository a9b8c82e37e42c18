"""HTML pages for people: the instances, and each instance's people directory."""

from __future__ import annotations

import time
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from . import avatar_files
from .accounts import User
from .instances import Instance, Instances
from .rendering import page

PAGE_SIZE = 200
PICTURE_SIZE = 256

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SETTERS = {"sync": "sync", "person": "the person"}


async def front(request: Request) -> Response:
    """List the instances."""
    instances: Instances = request.app.state.instances
    rows = [
        {
            "name": one.name,
            "people": len(one.users),
            "pictures": sum(user.picture is not None for user in one.users.values()),
            "uploads": sum(entry.verdict == "accepted" for entry in one.audit),
            "calls": len(one.audit),
        }
        for one in instances
    ]
    return HTMLResponse(_TEMPLATES.get_template("front.html").render(instances=rows))


async def people(request: Request) -> Response:
    """Show everyone of an instance, a page at a time; `q` searches."""
    instance = _instance(request)
    if instance is None:
        return page(404)
    wanted = request.query_params.get("q", "").strip()
    number = request.query_params.get("page", "1")
    found = [user for user in instance.users.values() if _mentions(user, wanted.lower())]
    pages = max(1, -(-len(found) // PAGE_SIZE))
    current = min(max(1, int(number)), pages) if number.isdecimal() else 1
    shown = found[(current - 1) * PAGE_SIZE : current * PAGE_SIZE]
    users = instance.users.values()
    counts = {
        "sync": sum(user.picture is not None and user.picture.set_by == "sync" for user in users),
        "person": sum(
            user.picture is not None and user.picture.set_by == "person" for user in users
        ),
        "nobody": sum(user.picture is None for user in users),
    }
    html = _TEMPLATES.get_template("people.html").render(
        instance=instance.name,
        people=[_card(user) for user in shown],
        found=len(found),
        total=len(users),
        counts=counts,
        page=current,
        pages=pages,
        q=wanted,
    )
    return HTMLResponse(html)


async def picture(request: Request) -> Response:
    """Show one person's picture as the directory does."""
    instance = _instance(request)
    user = instance.users.get(request.path_params["user"]) if instance else None
    if user is None:
        return page(404)
    if user.picture is None:
        return Response(avatar_files.placeholder(PICTURE_SIZE), media_type="image/png")
    content, media_type = await run_in_threadpool(
        avatar_files.shown, user.picture.content, user.picture.crop, PICTURE_SIZE
    )
    return Response(content, media_type=media_type)


def routes() -> list[Route]:
    """All pages."""
    return [
        Route("/", front),
        Route("/{instance}/people", people),
        Route("/{instance}/people/{user:int}/picture", picture),
    ]


def _instance(request: Request) -> Instance | None:
    instances: Instances = request.app.state.instances
    return instances.get(request.path_params["instance"])


def _mentions(user: User, text: str) -> bool:
    return text in f"{user.firstname} {user.lastname} {user.email}".lower()


def _card(user: User) -> dict[str, object]:
    picture = user.picture
    when = time.strftime("%d %b %Y %H:%M:%S", time.gmtime(picture.set_at)) if picture else ""
    return {
        "id": user.id,
        "name": f"{user.firstname} {user.lastname}".strip(),
        "email": user.email,
        "jobtitle": user.jobtitle,
        "organisation": user.organisation,
        "status": user.status,
        "active": user.status.lower() == "active",
        "set_by": picture.set_by if picture else "nobody",
        "setter": _SETTERS[picture.set_by] if picture else "nobody",
        "when": when,
        # a new picture is a new address: browsers keep nothing old
        "version": picture.md5[:8] if picture else "0",
    }
