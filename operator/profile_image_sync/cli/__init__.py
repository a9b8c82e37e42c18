"""The command line: doors only. Each command imports what it needs behind its door."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from profile_image_sync import __version__
from profile_image_sync.errors import InvalidSpec

app = typer.Typer(
    name="profile-image-sync",
    help="Carries Active Directory profile pictures into HighQ.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Carries Active Directory profile pictures into HighQ."""


@app.command()
def sync(
    file: Annotated[
        Path,
        typer.Option(
            "--file", "-f", help="Manifest: a ProfileImageSync, and Secrets and ConfigMaps."
        ),
    ],
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Folder of the state; default: ./.profile-image-sync/NAME."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", help="NAME=FOLDER: a Secret's keys as files; may be repeated."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Which ProfileImageSync, if the file holds several."),
    ] = None,
) -> None:
    """Do one run from a manifest, outside a cluster.

    Exit codes: 0 finished (also with some people failed: the report says which), 10 another run holds
    the state, 20 a human must act, 30 try again.
    """
    from profile_image_sync.local.sync import sync_once  # noqa: PLC0415  # only this door needs it

    raise typer.Exit(sync_once(file, state, _folders(secret or []), name))


@app.command()
def worker(
    mounts: Annotated[
        Path | None,
        typer.Option("--mounts", help="Folder with secrets/NAME/KEY and configmaps/NAME/KEY."),
    ] = None,
) -> None:
    """Do the run that the operator has ordered: started in its pods, not by hand.

    The order is in the environment; state, tokens and report are objects of the cluster. Exit codes as
    for `sync`.
    """
    from profile_image_sync.pod.main import work  # noqa: PLC0415  # only this door needs it

    raise typer.Exit(work(os.environ, mounts))


@app.command()
def operator(
    settings: Annotated[
        Path, typer.Option("--settings", help="The JSON file that the chart mounts.")
    ] = Path("/etc/profile-image-sync/operator.json"),
    health_port: Annotated[
        int, typer.Option("--health-port", help="Where /healthz answers, for the kubelet.")
    ] = 8080,
) -> None:
    """Serve ProfileImageSync resources in a cluster."""
    from profile_image_sync import logs  # noqa: PLC0415  # only this door needs it
    from profile_image_sync.controller.handlers import serve  # noqa: PLC0415

    logs.configure(json=True)
    serve(settings, health_port)


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition of ProfileImageSync."""
    from profile_image_sync.api.crd import render  # noqa: PLC0415  # only this door needs it

    typer.echo(render(), nl=False)


def _folders(pairs: list[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for pair in pairs:
        name, equals, folder = pair.partition("=")
        if not (name and equals and folder):
            raise InvalidSpec(
                f"--secret {name}: give NAME=FOLDER, the folder holding one file a key"
            )
        folders[name] = Path(folder)
    return folders
