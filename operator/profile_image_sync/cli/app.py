"""The list of all commands, in the order of `--help`.

Command modules import the packages that do the work inside their function. `worker` therefore starts
without the operator's libraries, and `--help` without any.
"""

from __future__ import annotations

from typing import Annotated

import typer

from profile_image_sync import __version__
from profile_image_sync.cli.acknowledge import acknowledge
from profile_image_sync.cli.authorize import authorize
from profile_image_sync.cli.check import check
from profile_image_sync.cli.completion import completion
from profile_image_sync.cli.crd import crd
from profile_image_sync.cli.explain import explain
from profile_image_sync.cli.logs import logs
from profile_image_sync.cli.operator import operator
from profile_image_sync.cli.people import people
from profile_image_sync.cli.plan import plan
from profile_image_sync.cli.run import run
from profile_image_sync.cli.state import state_app
from profile_image_sync.cli.status import status
from profile_image_sync.cli.sync import sync
from profile_image_sync.cli.worker import worker

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="profile-image-sync",
    help="""Upload profile pictures from Active Directory to HighQ.

    \b
    Examples:
      profile-image-sync check -f tenant.yaml     what a run needs, one line each
      profile-image-sync plan -f tenant.yaml      what a run would do
      profile-image-sync sync -f tenant.yaml      one run, without a cluster
      profile-image-sync status -A                how all resources of a cluster are
      profile-image-sync sync --help              options and examples of a command
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,  # `completion` prints the script instead
    rich_markup_mode=None,
    context_settings=HELP_OPTIONS,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Declare the options that come before a command."""


@app.command("version")
def version() -> None:
    """Print the version."""
    typer.echo(f"profile-image-sync {__version__}")


app.command(no_args_is_help=True)(check)
app.command(no_args_is_help=True)(plan)
app.command(no_args_is_help=True)(sync)
app.command(no_args_is_help=True)(explain)
app.command(no_args_is_help=True)(authorize)
app.command()(status)
app.command(no_args_is_help=True)(run)
app.command(no_args_is_help=True)(acknowledge)
app.command(no_args_is_help=True)(people)
app.command(no_args_is_help=True)(logs)
app.add_typer(state_app, name="state")
for command in (crd, completion, operator, worker):
    app.command()(command)
