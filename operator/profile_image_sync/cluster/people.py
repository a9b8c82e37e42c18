"""Reads the lists of people of the last run: from the Secret that only who may read Secrets may read."""

from __future__ import annotations

from pydantic import ValidationError

from profile_image_sync import names
from profile_image_sync.api.report import PeopleLists
from profile_image_sync.errors import PermanentError
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.conflicts import read
from profile_image_sync.kube.resources import ObjectRef


class NoLists(PermanentError):
    """There are no lists of people, or another version wrote them."""


def read_people(client: ApiClient, namespace: str, name: str) -> PeopleLists | None:
    """Return the lists; None: there are none yet. Raises NoLists when they cannot be read."""
    ref = ObjectRef("Secret", namespace, names.people(name))
    found = read(client, ref)
    data = found.binary.get(names.PEOPLE_KEY) if found else None
    if not data:
        return None
    try:
        return PeopleLists.model_validate_json(data, extra="ignore")
    except ValidationError:
        raise NoLists(
            f"{ref.description} cannot be read by this version: use the version that the cluster runs"
        ) from None


def require_people(client: ApiClient, namespace: str, name: str) -> PeopleLists:
    """Return the lists. Raises NoLists when there are none."""
    lists = read_people(client, namespace, name)
    if lists is None:
        raise NoLists(
            f"no run of ProfileImageSync {name} in namespace {namespace} has listed people yet: see "
            f"`{names.PRODUCT} status --namespace {namespace}`"
        )
    return lists
