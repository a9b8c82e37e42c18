"""Models of the control API: what can be set, and what the audit records.

Shared by the server, which validates them, and by the client in process.py, which builds them.
"""

from __future__ import annotations

import secrets
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Operation = Literal[
    "authorise", "token", "list", "user", "get_avatar", "avatar", "profileimage", "unknown"
]
UPLOADS: tuple[Operation, ...] = ("avatar", "profileimage")
SYNC_OPERATIONS: tuple[Operation, ...] = ("token", "list", "get_avatar", *UPLOADS)
SetBy = Literal["sync", "person"]


class SimulatorModel(BaseModel):
    """The base: unknown words are errors, bytes travel as base64."""

    model_config = ConfigDict(extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class ClientSettings(SimulatorModel):
    """A registration under "API application registration"; times in seconds."""

    client_id: str = "1012"
    client_secret: str = Field(default_factory=lambda: secrets.token_hex(16))
    redirect_uri: str = ""  # blank: any address may be used
    consent_screen: bool = False  # HighQ's "Show allow/deny screen"
    access_lifetime: float = 18_000
    refresh_lifetime: float = 31_536_000
    allowed_addresses: list[str] = []  # addresses or networks; none: everyone
    # The refresh token an administrator got when the client was registered.
    refresh_token: str = Field(default_factory=lambda: secrets.token_hex(20))


class UserSettings(SimulatorModel):
    """A HighQ user as given from outside; `picture` is what the person set, if anything."""

    id: int
    firstname: str
    lastname: str
    email: str
    externalid: str = ""
    status: str = "Active"
    organisation: str = ""
    jobtitle: str = ""
    department: str = ""
    sysadmin: bool = False
    picture: bytes | None = None


class Knobs(SimulatorModel):
    """How an instance behaves where HighQ's pages are silent, or where a customer may choose."""

    api_enabled: bool = True
    browser_user: int | None = None  # who authorises; none: the first system administrator
    default_format: Literal["documented", "json", "xml"] = "documented"
    expired_status: Literal[401, 403] = 403
    missing_user_status: Literal[403, 404] = 403
    token_error_body: Literal["oauth", "highq"] = "oauth"
    refresh_grace: float = 0  # seconds a used refresh token still works
    old_access_stays_valid: bool = False
    single_element: Literal["array", "object"] = "array"
    numbers_as_text: bool = False
    avatar_flag: Literal["1", "true", "none"] = "1"  # how a list spells a picture: 1/0, true/false
    created_date: Literal["documented", "iso", "epoch", "none"] = "documented"
    missing_avatar: Literal["placeholder", "404"] = "placeholder"
    avatar_type: Literal["image", "application/octet-stream"] = (
        "image"  # Content-Type of GET avatar
    )
    upload_endpoints: list[Literal["avatar", "profileimage"]] = ["avatar", "profileimage"]
    validation_status: Literal[400, 403] = 400
    archived_upload: Literal["accept", "refuse"] = "accept"
    max_upload_bytes: int = 10 * 1024 * 1024
    rate_limit: int | None = None  # calls a window; none: no limit
    rate_window: float = 60  # seconds
    # what tells of the limit: X-Ratelimit-Reset with a 429, all of X-Ratelimit-* with every answer, or
    # Retry-After with a 429 (seconds, or a date)
    rate_headers: Literal["reset", "all", "seconds", "date", "none"] = "reset"
    latency: float = 0  # real seconds before each answer


class Fault(SimulatorModel):
    """Something that goes wrong with the next matching calls.

    `landed`: the call is carried out first and only its answer is spoilt.
    """

    kind: Literal[
        "status",
        "html",
        "malformed",
        "redirect",
        "cut",
        "truncate",
        "drip",
        "stall",
        "revoke",
        "bomb",
        "giant",
        "echo",
        "overlong",
    ]
    operation: Operation | Literal["any", "upload"] = "any"
    user_id: int | None = None
    skip: int = 0  # matching calls that pass unharmed first
    times: int = 1
    landed: bool = False
    status: int = 503  # status, html, echo (an error that repeats the caller's headers and body)
    ref: int | None = None  # status
    headers: dict[str, str] = {}  # status, html
    body: str = '{"total": 2, "totalcount": 2, "user": [{'  # malformed
    content_type: str = "application/json"  # malformed; "": none
    location: str = ""  # redirect
    seconds: float = 0  # stall: once; drip: before each tenth of the body


class InstanceSettings(SimulatorModel):
    """A HighQ instance as given from outside, or in the file of `--seed`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    clients: list[ClientSettings] = Field(default_factory=lambda: [ClientSettings()], min_length=1)
    users: list[UserSettings] = []
    knobs: Knobs = Knobs()


class Seed(SimulatorModel):
    """The file of `--seed`."""

    instances: list[InstanceSettings]


class PictureFacts(SimulatorModel):
    """What is known of a stored picture; `crop` is x, y, width, height within it."""

    set_by: SetBy
    set_at: float
    md5: str
    content_type: str
    size: int
    crop: tuple[int, int, int, int] | None


class TokenPair(SimulatorModel):
    """An access token and the refresh token that came with it."""

    access_token: str
    refresh_token: str


class AuditEntry(SimulatorModel):
    """One API call. `status` is what the caller saw: 0 when the connection was cut.

    `verdict`: accepted = a picture was taken; answered; refused; lost = a fault came before it.
    `token` numbers the token, it never tells it. The MD5, type and size are the picture's.
    """

    sequence: int
    at: float
    instance: str
    operation: Operation
    method: str
    path: str
    query: str = ""
    authorization: bool = False
    token: str | None = None
    user_id: int | None = None
    status: int = 0
    ref: int | None = None
    verdict: Literal["accepted", "answered", "refused", "lost"] = "answered"
    fault: str | None = None
    md5: str | None = None
    content_type: str | None = None
    size: int | None = None
