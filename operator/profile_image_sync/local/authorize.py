"""`authorize` on someone's machine: shows the address, gets the code, leaves the three keys of the Secret."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from profile_image_sync.errors import AuthorisationRefused, InvalidSpec, StateUnavailable
from profile_image_sync.local.files import write_file
from profile_image_sync.local.redirect_listener import listen
from profile_image_sync.signals import stop_on_signals
from profile_image_sync.worker.highq.authorization import Consent, Redirect, Registration
from profile_image_sync.worker.highq.timing import Timing


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """What a person gives to `authorize`."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect: str
    ca: Path | None
    wait_seconds: float


def authorise(
    request: ConsentRequest, *, notice: Callable[[str], None], pasted: Callable[[str], str] | None
) -> Mapping[str, str]:
    """Return the Secret's keys. `pasted` gets the redirected address from a person; None: we listen.

    Raises AuthorisationRefused, HighQUnavailable, HighQUntrusted, InvalidSpec, TransientError.
    """
    if not request.client_secret:
        raise InvalidSpec("no client secret was given: type it, or pipe it into standard input")
    registration = Registration(
        request.url, request.client_id, request.client_secret, request.redirect
    )
    stop = stop_on_signals()
    consent = Consent(
        registration, state=secrets.token_urlsafe(16), timing=Timing(stop), ca=_text(request.ca)
    )
    try:
        if pasted:
            redirect = _read(consent, pasted(consent.address))
        else:
            with listen(request.redirect, consent.accepts) as listener:
                notice(
                    "Open this address in a private browser window, sign in as a HighQ system "
                    f"administrator and allow:\n{consent.address}"
                )
                redirect = listener.wait(request.wait_seconds, stop.is_set)
        refresh_token = consent.refresh_token(redirect.code)
    finally:
        consent.close()
    return {
        "clientId": request.client_id,
        "clientSecret": request.client_secret,
        "refreshToken": refresh_token,
    }


def secret_manifest(name: str, data: Mapping[str, str]) -> str:
    """Return a Secret for `kubectl apply -f -`: JSON, which is YAML too."""
    metadata = {"name": name}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)}
    return json.dumps(secret, indent=2)


def write_secret(folder: Path, data: Mapping[str, str]) -> None:
    """Write one file a key, for their owner only. Raises StateUnavailable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key, value in data.items():
            write_file(folder / key, value.encode())
    except OSError as error:
        raise StateUnavailable(f"{folder} cannot be written ({error.strerror})") from error


def _read(consent: Consent, address: str) -> Redirect:
    redirect = Redirect.read(address)
    if redirect is None:
        raise InvalidSpec("the pasted address has no code in it: paste the one the browser ends at")
    if not consent.accepts(redirect):
        raise AuthorisationRefused(
            "the pasted address answers another request (its state is not ours): run authorize again"
        )
    return redirect


def _text(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text()
    except OSError as error:
        raise InvalidSpec(f"--ca {file}: cannot be read ({error.strerror})") from None
