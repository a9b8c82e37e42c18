"""What the first delivery leaves in a cluster, as recorded in tests/data/first_delivery."""

from __future__ import annotations

import base64
import json
from typing import Any

from testkit.kind_cluster import ROOT
from testkit.people import SamplePerson
from testkit.sync_command import ordinary

_DATA = ROOT / "tests/data/first_delivery"
PACKAGE = _DATA / "profile-image-sync-0.1.0.tgz"  # its chart
STATE = "9729c883-f6b7-4e08-b14b-60cc38d8f9f0"

Body = dict[str, Any]


def people() -> list[SamplePerson]:
    """Return the five people of then, with their pictures of then; their numbers begin with 1."""
    pictures: dict[str, str] = json.loads((_DATA / "pictures.json").read_text())
    return [
        ordinary(name, 0, photos={"thumbnailPhoto": (base64.b64decode(picture),)})
        for name, picture in pictures.items()
    ]


def resource(place: dict[str, str]) -> Body:
    """Return the resource `acme`, with its status; `place`: what stands for the words of README.md."""
    (found,) = [each for each in _objects(place) if each["kind"] == "ProfileImageSync"]
    return found


def retained(place: dict[str, str]) -> Body:
    """Return a List of the state and the tokens, which nobody owns."""
    others = (each for each in _objects(place) if each["kind"] != "ProfileImageSync")
    return _listed([each for each in others if "ownerReferences" not in each["metadata"]])


def children(place: dict[str, str], uid: str) -> Body:
    """Return a List of what the operator of then had made for the resource of this uid."""
    found = _objects(place | {"UID": uid})
    return _listed([each for each in found if "ownerReferences" in each["metadata"]])


def _listed(items: list[Body]) -> Body:
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _objects(place: dict[str, str]) -> list[Body]:
    text = (_DATA / "objects.json").read_text()
    for word, value in place.items():
        text = text.replace(word, value)
    items: list[Body] = json.loads(text)["items"]
    return items
