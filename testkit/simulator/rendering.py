"""Response bodies: JSON or XML, error bodies, and the HTML pages of a gateway in front. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Literal
from xml.etree import ElementTree as ET

from starlette.datastructures import URL
from starlette.responses import HTMLResponse, Response

Format = Literal["json", "xml"]
Document = Mapping[str, object]

SUMMARIES = {
    51: "API is not enabled",
    53: "IP address is not registered",
    74: "Request parameters are missing",
    79: "Sort value is not valid",
    80: "Status value is not valid",
    106: "Offset value is not valid",
    107: "Limit value is not valid",
    110: "User does not exist",
    113: "User id is not valid",
    123: "Access denied",
    396: "Avatar position and size must be valid numbers",
    397: "File not found",
    398: "Image type is not supported",
    399: "System error, the image cannot be uploaded",
    400: "File is not supported, upload is terminated",
    401: "Shortest side of the image is smaller than 256 pixels",
    402: "Position and width lie beyond the image",
    403: "Position and height lie beyond the image",
    404: "Image is not square",
    405: "Image could not be moved to the repository",
    406: "Size of the image must be greater than 0",
}


class ApiError(Exception):
    """The call ends with an error answer: an HTTP status and, mostly, one of HighQ's refs."""

    def __init__(
        self,
        status: int,
        ref: int | None = None,
        summary: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`summary` defaults to the one of the ref."""
        super().__init__(summary)
        self.status = status
        self.ref = ref
        self.summary = summary or SUMMARIES.get(ref or 0, "The request could not be processed")
        self.headers = dict(headers or {})


class PageError(Exception):
    """The server below the API answers, with a page: unknown path, method or media type."""

    def __init__(self, status: int) -> None:
        """`status` is 404, 405, 415 or the like."""
        super().__init__(status)
        self.status = status


def negotiate(accept: str, otherwise: Format) -> Format:
    """Choose by the `Accept` header: the first of JSON and XML in it, else `otherwise`."""
    for media_type in accept.lower().split(","):
        name = media_type.partition(";")[0].strip()
        if name == "application/json":
            return "json"
        if name in {"application/xml", "text/xml"}:
            return "xml"
    return otherwise


def render(root: str, document: Document, form: Format, status: int = 200) -> Response:
    """Write `document` as a JSON object, or as XML under the element `root`."""
    if form == "json":
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        return Response(body, status, media_type="application/json")
    body = ET.tostring(_element(root, document), encoding="utf-8", xml_declaration=True)
    return Response(body, status, media_type="application/xml")


def render_error(refused: ApiError, link: str, form: Format) -> Response:
    """HighQ's error body. Without a ref (rate limit) it holds the summary only."""
    error: dict[str, object] = {"summary": refused.summary}
    if refused.ref is not None:
        error |= {"ref": refused.ref, "link": link}
    document = {"error": error} if form == "json" else error
    response = render("error", document, form, refused.status)
    response.headers.update(refused.headers)
    return response


def page(status: int, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Build the HTML page of a gateway or servlet container, which knows nothing of the API."""
    return HTMLResponse(
        f"<!doctype html><html><head><title>HTTP Status {status}</title></head>"
        f"<body><h1>HTTP Status {status}</h1></body></html>",
        status,
        headers=dict(headers or {}),
    )


def consent_screen(instance: str, client_id: str, address: URL) -> HTMLResponse:
    """Build the page on which the person at the browser allows the client's access."""
    allow = address.include_query_params(decision="allow")
    return HTMLResponse(
        "<!doctype html><html><head><title>Allow access</title></head><body>"
        f"<p>Client {escape(client_id)} asks for access to {escape(instance)}.</p>"
        f'<a role="button" href="?{escape(allow.query)}">Allow</a></body></html>'
    )


def _element(name: str, value: object) -> ET.Element:
    element = ET.Element(name)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            for one in inner if isinstance(inner, list) else [inner]:
                element.append(_element(key, one))
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    elif value is not None:
        element.text = str(value)
    return element
