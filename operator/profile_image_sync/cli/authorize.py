"""`authorize`: takes an administrator through HighQ's consent, and prints the Secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profile_image_sync.cli.options import Context, Namespace

if TYPE_CHECKING:
    from profile_image_sync.cli.terminal import Terminal

DEFAULT_REDIRECT = "http://127.0.0.1:8765/"
WAIT_SECONDS = 30 * 60.0  # as long as HighQ's code lives
_ONCE = "HighQ accepts its refresh token once: give it to one place."

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
Apply = Annotated[
    bool, typer.Option("--apply", help="Make the Secret in the cluster of the kube context.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="With --apply: the keys of a Secret that is there, too.")
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
    apply: Apply = False,
    replace: Replace = False,
    namespace: Namespace = None,
    context: Context = None,
    ca: CaFile = None,
) -> None:
    """Authorise the sync in HighQ: open the printed address as a system administrator and allow.

    The client secret is asked for, or read from standard input; it is never an option. The result is a
    Secret on standard output; with --apply in the cluster, which needs the right to create secrets (with
    --replace: and to patch them); or with --out files for `sync --secret NAME=FOLDER`.

    \b
    Examples:
      profile-image-sync authorize --url https://acme.highq.com/acme --client-id 12 --apply -n tenant-acme
      profile-image-sync authorize --url https://acme.highq.com/acme --client-id 12 --out ./highq-oauth
    """
    from profile_image_sync.cli.terminal import Terminal

    if apply and out:
        raise typer.BadParameter("give --apply or --out, not both")
    if not apply and (replace or namespace or context):
        raise typer.BadParameter("--replace, --namespace and --context go with --apply")
    terminal = Terminal.start(verbose=False, quiet=True)

    def consented() -> Mapping[str, str]:
        return _consented(terminal, url, client_id, redirect, ca, paste=paste)

    if apply:
        _apply(terminal, context, namespace, name, consented, replace=replace)
        return
    from profile_image_sync.local.authorize import secret_manifest, write_secret

    if out:
        write_secret(out, consented())
        terminal.notice(f"Written: {out}. {_ONCE}")
    else:
        typer.echo(secret_manifest(name, consented()))


def _consented(
    terminal: Terminal, url: str, client_id: str, redirect: str, ca: Path | None, *, paste: bool
) -> Mapping[str, str]:
    """Take the administrator through the consent; return the Secret's keys."""
    from profile_image_sync.local.authorize import ConsentRequest, authorise

    def pasted(address: str) -> str:
        terminal.notice(f"Open this address, allow, and paste the one you end at:\n{address}")
        return _ask("Address")

    client_secret = _ask("Client secret", hidden=True)
    request = ConsentRequest(url, client_id, client_secret, redirect, ca, WAIT_SECONDS)
    return authorise(request, notice=terminal.notice, pasted=pasted if paste else None)


def _apply(
    terminal: Terminal,
    context: str | None,
    namespace: str | None,
    name: str,
    consented: Callable[[], Mapping[str, str]],
    *,
    replace: bool,
) -> None:
    """Put what the consent gives into the cluster, which is asked first whether it would take it."""
    from profile_image_sync.cluster.credentials import CredentialsSecret
    from profile_image_sync.cluster.resources import connected

    with connected(context) as client:
        secret = CredentialsSecret(client, namespace or client.namespace, name, replace)
        secret.require_writable()
        secret.write(consented())
    terminal.notice(f"Secret {name} in namespace {secret.namespace} is applied. {_ONCE}")


def _ask(what: str, *, hidden: bool = False) -> str:
    """Ask on a terminal; elsewhere read a line of standard input."""
    import sys

    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=hidden, err=True))
    return sys.stdin.readline().strip()
