"""`authorize`: takes an administrator through HighQ's consent, and prints the Secret."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_REDIRECT = "http://127.0.0.1:8765/"
WAIT_SECONDS = 30 * 60.0  # as long as HighQ's code lives

Url = Annotated[str, typer.Option("--url", metavar="URL", help="HighQ instance.")]
ClientId = Annotated[
    str,
    typer.Option("--client-id", metavar="ID", help="Of the API application registration in HighQ."),
]
RedirectUrl = Annotated[
    str,
    typer.Option("--redirect", metavar="URL", help="Redirect URL of the registration."),
]
Paste = Annotated[
    bool,
    typer.Option("--paste", help="Do not listen: paste the address that the browser ends at."),
]
SecretName = Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the Secret.")]
OutFolder = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Write the keys to files there, mode 0600."),
]
CaFile = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Certificate authorities (PEM) for HighQ."),
]


def authorize(
    url: Url,
    client_id: ClientId,
    redirect: RedirectUrl = DEFAULT_REDIRECT,
    paste: Paste = False,
    name: SecretName = "highq-oauth",
    out: OutFolder = None,
    ca: CaFile = None,
) -> None:
    """Authorise the sync in HighQ: open the printed address as a system administrator and allow.

    The client secret is asked for, or read from standard input; it is never an option. The result is a
    Secret on standard output, or files for `sync --secret NAME=FOLDER`.

    \b
    Examples:
      profile-image-sync authorize --url https://acme.highq.com/acme --client-id 12 | kubectl apply -f -
      profile-image-sync authorize --url https://acme.highq.com/acme --client-id 12 --out ./highq-oauth
    """
    from profile_image_sync.cli.terminal import Terminal
    from profile_image_sync.local.authorize import (
        ConsentRequest,
        authorise,
        secret_manifest,
        write_secret,
    )

    terminal = Terminal.start(verbose=False)
    client_secret = _ask("Client secret", hidden=True)

    def pasted(address: str) -> str:
        terminal.notice(f"Open this address, allow, and paste the one you end at:\n{address}")
        return _ask("Address")

    request = ConsentRequest(url, client_id, client_secret, redirect, ca, WAIT_SECONDS)
    secret = authorise(request, notice=terminal.notice, pasted=pasted if paste else None)
    if out:
        write_secret(out, secret)
        terminal.notice(
            f"Written: {out}. HighQ accepts its refresh token once: give it to one place."
        )
    else:
        typer.echo(secret_manifest(name, secret))


def _ask(what: str, *, hidden: bool = False) -> str:
    """Ask on a terminal; elsewhere read a line of standard input."""
    import sys

    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=hidden, err=True))
    return sys.stdin.readline().strip()
