"""`state list`: all states of a cluster, those whose resource is gone, too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from profile_image_sync.cli.listing import print_list
from profile_image_sync.cli.options import (
    AllNamespaces,
    Context,
    Namespace,
    TableOrJson,
    TableOrJsonOption,
)

if TYPE_CHECKING:
    from profile_image_sync.cluster.states import ListedState

_HEADER = (
    "NAMESPACE",
    "NAME",
    "RESOURCE",
    "PEOPLE",
    "SHARDS",
    "SIZE",
    "LAST RUN",
    "HIGHQ",
    "STATE",
)


def list_states(
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    context: Context = None,
    output: TableOrJsonOption = TableOrJson.TABLE,
) -> None:
    """List all states, those whose resource is gone, too: people, size, last run, HighQ.

    RESOURCE tells whether the state's resource is there. Needs the rights to list profileimagesyncs, and
    to list and get configmaps.

    \b
    Example:
      profile-image-sync state list --all-namespaces
    """
    from profile_image_sync.cluster import states
    from profile_image_sync.cluster.resources import connected

    with connected(context) as client:
        where = "" if all_namespaces else namespace or client.namespace
        found = list(states.list_states(client, where))
    print_list(
        [_cells(each) for each in found],
        [_document(each) for each in found],
        output,
        header=_HEADER,
        nothing=f"no state in {where or 'any namespace'}",
    )


def _cells(each: ListedState) -> list[str]:
    from profile_image_sync.cluster.overview import age

    return [
        each.namespace,
        each.name,
        "yes" if each.has_resource else "gone",
        str(each.people),
        str(each.shards),
        f"{each.bytes / 1024:.0f} KiB",
        age(each.last_run, datetime.now(UTC)),
        each.highq,
        each.problem or str(each.id),
    ]


def _document(each: ListedState) -> dict[str, Any]:
    return {
        "namespace": each.namespace,
        "name": each.name,
        "hasResource": each.has_resource,
        "state": str(each.id) if each.id else None,
        "highq": each.highq,
        "people": each.people,
        "shards": each.shards,
        "bytes": each.bytes,
        "lastRun": each.last_run.isoformat() if each.last_run else None,
        "problem": each.problem,
    }
