"""`crd`: the CustomResourceDefinition, for those who do not install it with the chart."""

from __future__ import annotations

import typer


def crd() -> None:
    """Print the CustomResourceDefinition of ProfileImageSync.

    \b
    Example:
      profile-image-sync crd | kubectl apply --server-side -f -
    """
    from profile_image_sync.api.crd import render

    typer.echo(render(), nl=False)
