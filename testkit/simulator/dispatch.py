"""The one entry of all API calls: applies faults, runs the operation, records the audit."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from . import calls, faults
from .calls import Call
from .instances import Instances
from .operations import HANDLERS
from .rendering import ApiError, PageError, page, render_error
from .schema import Fault


async def respond(request: Request) -> Response:
    """Answer one API call of the instance in the path."""
    instances: Instances = request.app.state.instances
    instance = instances.get(request.path_params["instance"])
    if instance is None:
        return page(404)
    call = calls.begin(request, instance)
    fault = instance.take_fault(call.target.operation, call.entry.user_id)
    if instance.knobs.latency:
        await asyncio.sleep(instance.knobs.latency)
    try:
        response = await _answer(call, fault)
    except ClientDisconnect:
        call.entry.verdict = "lost"
        response = faults.Cut()
    call.entry.status = 0 if isinstance(response, faults.Cut) else response.status_code
    instance.record(call.entry)
    response.headers.update(call.headers)
    response.headers["Date"] = formatdate(call.entry.at, usegmt=True)
    return response


async def _answer(call: Call, fault: Fault | None) -> Response:
    if fault is None:
        return await _carry_out(call)
    call.entry.fault = fault.kind
    if fault.kind == "revoke":
        call.instance.authorisations.tokens.pop(calls.bearer(call.request), None)
    if faults.carries_out(fault):
        response = await _carry_out(call)
        call.entry.ref = fault.ref or call.entry.ref
        return faults.spoil(fault, response, call.form, _link(call))
    call.entry.verdict = "lost"
    call.entry.ref = fault.ref
    if fault.kind not in {"cut", "stall"}:
        body = await call.request.body()  # as gateways do, so that the caller hears the answer
        if fault.kind == "echo":
            return faults.echo(fault, call.request.headers.raw, body)
    return faults.instead(fault, call.form, _link(call))


async def _carry_out(call: Call) -> Response:
    await call.request.body()  # even of a call that is refused at once: it keeps the connection
    try:
        return await HANDLERS[call.target.operation](call)
    except ApiError as refused:
        call.entry.verdict = "refused"
        call.entry.ref = refused.ref
        return render_error(refused, _link(call), call.form)
    except PageError as none:
        call.entry.verdict = "refused"
        return page(none.status)


def _link(call: Call) -> str:
    return f"{call.base}api/2/error/{call.instance.next_error()}"
