"""`status`: all resources of a cluster at a glance, and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
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
    from profile_image_sync.cluster.overview import ResourceOverview

_HEADER = (
    "NAMESPACE",
    "NAME",
    "READY",
    "STATUS",
    "LAST SUCCESS",
    "NEXT RUN (UTC)",
    "PEOPLE",
    "NOT SERVED",
    "WAITS FOR YOU",
)


def status(
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    context: Context = None,
    output: TableOrJsonOption = TableOrJson.TABLE,
) -> None:
    """Show how all resources are: last run, age of the last success, and what waits for a person.

    Under the table is, for each resource that waits, why, and the command that goes on. NOT SERVED counts
    refused, unmatched, ambiguous and failed people; `people NAME` lists them. Needs the right to list
    profileimagesyncs.

    \b
    Examples:
      profile-image-sync status --all-namespaces
      profile-image-sync status -n tenant-acme --output json
    """
    from profile_image_sync.cluster.overview import overview
    from profile_image_sync.cluster.resources import connected, read_all

    with connected(context) as client:
        where = "" if all_namespaces else namespace or client.namespace
        found = [overview(each, datetime.now(UTC)) for each in read_all(client, where)]
    print_list(
        [_cells(each) for each in found],
        [_document(each) for each in found],
        output,
        header=_HEADER,
        nothing=f"no ProfileImageSync in {where or 'any namespace'}",
        below=_needs(found),
    )


def _needs(found: list[ResourceOverview]) -> Iterator[str]:
    """Yield why each resource waits, and the command that goes on."""
    from profile_image_sync.cli.program import as_typed

    for each in found:
        if each.need:
            place = f"{each.namespace}/{each.name}"
            yield f"\n{place} waits for you: {each.need.reason}: {each.need.message}"
            yield f"  {as_typed(each.need.command)}"


def _cells(each: ResourceOverview) -> list[str]:
    from profile_image_sync.cluster.overview import age

    return [
        each.namespace,
        each.name,
        each.ready,
        each.status,
        age(each.last_success, datetime.now(UTC)),
        f"{each.next_run:%Y-%m-%d %H:%M}" if each.next_run else "",
        str(each.people),
        str(each.not_served),
        each.need.reason if each.need else "",
    ]


def _document(each: ResourceOverview) -> dict[str, Any]:
    from profile_image_sync.cli.program import as_typed

    waits = each.need
    return {
        "namespace": each.namespace,
        "name": each.name,
        "ready": each.ready,
        "status": each.status,
        "outcome": each.outcome,
        "lastSuccessTime": each.last_success.isoformat() if each.last_success else None,
        "nextRunTime": each.next_run.isoformat() if each.next_run else None,
        "people": each.people,
        "notServed": each.not_served,
        "waitsForYou": {
            "reason": waits.reason,
            "message": waits.message,
            "command": as_typed(waits.command),
        }
        if waits
        else None,
    }
