"""The simulator as a child process, and a typed client of its control API."""

from __future__ import annotations

import itertools
import os
import select
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import TypeAdapter

from .schema import (
    SYNC_OPERATIONS,
    AuditEntry,
    ClientSettings,
    Fault,
    InstanceSettings,
    Knobs,
    PictureFacts,
    TokenPair,
    UserSettings,
)

READY_WITHIN = 120  # seconds
STOPPED_WITHIN = 60  # seconds

_PACKAGE = __package__ or "simulator"
_ROOT = Path(__file__).resolve().parents[_PACKAGE.count(".") + 1]
_AUDIT = TypeAdapter(list[AuditEntry])
_FAULTS = TypeAdapter(list[Fault])
_USERS = TypeAdapter(list[UserSettings])


class Authority(Protocol):
    """Who issues certificates: `testkit.certificates.CertificateAuthority`."""

    ca_file: Path

    def issue(self, *hostnames: str) -> tuple[Path, Path]:
        """Issue a certificate; return it and its key."""


class Credentials(NamedTuple):
    """What the Secret of a tenant holds."""

    client_id: str
    client_secret: str
    refresh_token: str


@dataclass(frozen=True)
class Instance:
    """One simulated HighQ, by name. All calls go to the control plane, none is in the audit."""

    name: str
    url: str
    clients: tuple[ClientSettings, ...]
    _http: httpx.Client

    @property
    def credentials(self) -> Credentials:
        """The first client's id, secret and the refresh token it was registered with."""
        client = self.clients[0]
        return Credentials(client.client_id, client.client_secret, client.refresh_token)

    def authorise(self) -> Credentials:
        """Go through HighQ's real flow (this one is in the audit): browser, code, token."""
        client = self.clients[0]
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": client.redirect_uri or "https://localhost/callback",
        }
        sent_back = self._http.get(f"/{self.name}/authorize.action", params=query)
        (code,) = parse_qs(urlsplit(sent_back.headers["location"]).query)["code"]
        form = {
            "grant_type": "authorization_code",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "code": code,
        }
        answer = self._http.post(f"/{self.name}/api/oauth2/token", data=form).raise_for_status()
        return Credentials(client.client_id, client.client_secret, answer.json()["refresh_token"])

    def tokens(self) -> TokenPair:
        """Get a pair of tokens for the first client by a shortcut."""
        body = {"client_id": self.clients[0].client_id}
        return TokenPair.model_validate_json(self._call("POST", "tokens", json=body).content)

    def add_users(self, users: Iterable[UserSettings]) -> None:
        """Add users, or replace those of the same id."""
        self._call("POST", "users", content=_USERS.dump_json(list(users)))

    def change_user(self, user_id: int, **fields: str | bool) -> None:
        """Change some fields of a user."""
        self._call("PATCH", f"users/{user_id}", json=fields)

    def remove_user(self, user_id: int) -> None:
        """Forget a user."""
        self._call("DELETE", f"users/{user_id}")

    def picture(self, user_id: int) -> bytes | None:
        """Return a user's picture, just as it was uploaded; None if there is none."""
        if self.picture_facts(user_id) is None:
            return None
        return self._call("GET", f"users/{user_id}/picture").content

    def picture_facts(self, user_id: int) -> PictureFacts | None:
        """Tell who set a user's picture and when, its MD5, type, size and square."""
        told = self._call("GET", f"users/{user_id}").json()["picture"]
        return PictureFacts.model_validate(told) if told else None

    def set_picture_as_user(self, user_id: int, content: bytes) -> None:
        """Change a picture as the person does in HighQ's own pages."""
        self._call("PUT", f"users/{user_id}/picture", content=content)

    def clear_picture(self, user_id: int) -> None:
        """Take a picture away."""
        self._call("DELETE", f"users/{user_id}/picture")

    def knobs(self, **changes: Any) -> Knobs:
        """Turn some of `settings.Knobs`; return them all."""
        return Knobs.model_validate_json(self._call("PATCH", "knobs", json=changes).content)

    def fail_next(
        self, operation: str, kind: str, *, times: int = 1, landed: bool = False, **more: Any
    ) -> None:
        """Queue a `settings.Fault` for the next `times` calls of an operation."""
        fault = Fault.model_validate(
            {"operation": operation, "kind": kind, "times": times, "landed": landed} | more
        )
        self._call("POST", "faults", content=fault.model_dump_json())

    def pending_faults(self) -> list[Fault]:
        """Tell the faults that still wait."""
        return _FAULTS.validate_json(self._call("GET", "faults").content)

    def clear_faults(self) -> None:
        """Forget the faults that still wait."""
        self._call("DELETE", "faults")

    def now(self) -> float:
        """Tell the instance's clock, in epoch seconds."""
        return float(self._call("GET", "").json()["now"])

    def advance_clock(self, seconds: float) -> float:
        """Move the instance's clock; return its new time."""
        return float(self._call("POST", "clock", json={"seconds": seconds}).json()["now"])

    def revoke_tokens(self, kind: Literal["access", "refresh", "both"] = "access") -> None:
        """Forget tokens: calls answer 401, refreshes 400."""
        self._call("POST", "tokens/revoke", json={"kind": kind})

    def expire_tokens(self, kind: Literal["access", "refresh", "both"] = "access") -> None:
        """Let tokens run out now, without moving the clock."""
        self._call("POST", "tokens/expire", json={"kind": kind})

    def audit(self, *, after: int = 0, operation: str | None = None) -> list[AuditEntry]:
        """Tell the API calls, oldest first."""
        query = {"after": str(after)} | ({"operation": operation} if operation else {})
        return _AUDIT.validate_json(self._call("GET", "audit", params=query).content)

    def uploads(self) -> list[AuditEntry]:
        """Tell the calls by which a picture was taken, whatever the caller heard of it."""
        query = {"verdict": "accepted"}
        return _AUDIT.validate_json(self._call("GET", "audit", params=query).content)

    def foreign_calls(self) -> list[AuditEntry]:
        """Return the calls that a sync never makes (rule 12: it lists users and uploads pictures).

        After any run this is empty. Whoever calls the API itself in a test meets its own calls here.
        """
        return [entry for entry in self.audit() if entry.operation not in SYNC_OPERATIONS]

    def reset_audit(self) -> None:
        """Forget the calls so far; the numbers go on."""
        self._call("DELETE", "audit")

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        address = f"/_sim/instances/{self.name}/{path}".rstrip("/")
        return _checked(self._http.request(method, address, **request))


class Simulator:
    """A running simulator; also a context manager that stops it."""

    def __init__(
        self,
        process: subprocess.Popen[str] | None,
        url: str,
        ca_file: Path | None,
        http: httpx.Client,
    ) -> None:
        """Use `start`, or `attach`."""
        self._process = process
        self._http = http
        self._numbers = itertools.count(1)
        self.url = url
        self.ca_file = ca_file

    @classmethod
    def start(
        cls,
        *,
        tmp_path: Path,
        tls: Authority | None = None,
        data: Path | None = None,
        seed: Path | None = None,
    ) -> Self:
        """Start the process on a free port of 127.0.0.1 (also `localhost`) and wait until it is ready.

        Its log goes to `tmp_path`/simulator.log. `data` and `seed` are the command's options.
        """
        command = [sys.executable, "-m", _PACKAGE, "--host", "127.0.0.1", "--port", "0"]
        if tls:
            certificate, key = tls.issue("localhost", "127.0.0.1")
            command += ["--tls-cert", str(certificate), "--tls-key", str(key)]
        command += ["--data", str(data)] if data else []
        command += ["--seed", str(seed)] if seed else []
        log = tmp_path / "simulator.log"
        with log.open("a") as errors:
            process = subprocess.Popen(
                command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        return cls._held(process, _ready(process, log), tls.ca_file if tls else None)

    @classmethod
    def attach(cls, url: str, ca_file: Path | None = None) -> Self:
        """Take hold of a simulator that somebody else runs, in a pod for example."""
        return cls._held(None, url, ca_file)

    @classmethod
    def _held(cls, process: subprocess.Popen[str] | None, url: str, ca_file: Path | None) -> Self:
        http = httpx.Client(base_url=url, verify=_trust(ca_file), timeout=60, trust_env=False)
        return cls(process, url, ca_file, http)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process, for measurements and rough handling."""
        assert self._process is not None, "somebody else runs it"
        return self._process.pid

    def stop(self) -> int:
        """Stop the process (SIGTERM) if it is ours; return its exit code."""
        self._http.close()
        return _end(self._process) if self._process else 0

    def create_instance(
        self,
        name: str | None = None,
        *,
        users: Iterable[UserSettings] = (),
        clients: Iterable[ClientSettings] = (),
        knobs: Knobs | None = None,
    ) -> Instance:
        """Make an instance, in place of one of the same name; without a name it gets a new one.

        Without a system administrator among `users` one is added (id 900001), and without
        clients one is registered. The administrator has authorised each client.
        """
        settings = InstanceSettings(
            name=name or f"tenant-{os.getpid()}-{next(self._numbers)}",
            clients=list(clients) or [ClientSettings()],
            users=list(users),
            knobs=knobs or Knobs(),
        )
        _checked(self._http.post("/_sim/instances", content=settings.model_dump_json()))
        return self._instance(settings.name, settings.clients)

    def instance(self, name: str) -> Instance:
        """Take hold of an instance that is there, from a seed or kept data."""
        told = _checked(self._http.get(f"/_sim/instances/{name}")).json()
        return self._instance(name, [ClientSettings.model_validate(one) for one in told["clients"]])

    def _instance(self, name: str, clients: Iterable[ClientSettings]) -> Instance:
        return Instance(name, f"{self.url}/{name}", tuple(clients), self._http)


def _ready(process: subprocess.Popen[str], log: Path) -> str:
    """Wait for the line that tells the address."""
    assert process.stdout is not None
    with closing(process.stdout) as output:
        deadline = time.monotonic() + READY_WITHIN
        readable, _, _ = select.select([output], [], [], deadline - time.monotonic())
        line = output.readline() if readable else ""
    if " ready at " not in line:
        _end(process)
        raise RuntimeError(f"the simulator did not start; its log:\n{log.read_text()[-2000:]}")
    return line.split(" ready at ")[1].strip()


def _end(process: subprocess.Popen[str]) -> int:
    process.terminate()
    try:
        return process.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _checked(answer: httpx.Response) -> httpx.Response:
    """Fail with the control plane's own words."""
    if answer.is_error:
        raise ValueError(f"{answer.request.method} {answer.url.path}: {answer.text}")
    return answer


def _trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=ca_file) if ca_file else True
