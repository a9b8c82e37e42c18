"""Writing an object that others write, too: nothing of theirs is lost, and nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.conflicts import read, update_on_conflict
from profile_image_sync.kube.errors import ApiConflict
from profile_image_sync.kube.objects import DataObject
from profile_image_sync.kube.resources import Body, ObjectRef

REF = ObjectRef("ConfigMap", "ns", "pisync-a-state")


@dataclass
class Server:
    """One ConfigMap; `others` write it that often, each time between a read and a write."""

    stored: Body | None = None
    others: int = 0
    requests: list[str] = field(default_factory=list)

    @property
    def client(self) -> ApiClient:
        """Return this in place of a client."""
        return cast("ApiClient", self)

    def get(self, _: ObjectRef, **__: Any) -> Body | None:
        """Return the object."""
        self.requests.append("get")
        return self.stored

    def create(self, body: Body) -> Body:
        """Make it."""
        return self._write("create", body)

    def replace(self, body: Body, *, dry_run: bool, **_: Any) -> Body:
        """Replace it."""
        return self._write("dry run" if dry_run else "replace", body)

    def _write(self, request: str, body: Body) -> Body:
        self.requests.append(request)
        if self.others:
            self.others -= 1
            self.stored = stored(theirs="kept")
            raise ApiConflict("somebody else wrote")
        self.stored = body | {"metadata": {**body["metadata"], "resourceVersion": "99"}}
        return self.stored


def stored(**data: str) -> Body:
    """Return the object as the server has it."""
    metadata = {"name": REF.name, "namespace": "ns", "resourceVersion": "1"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def ours(current: DataObject | None) -> DataObject:
    """Add our value to whatever is there."""
    current = current or DataObject(REF)
    return replace(current, text={**current.text, "ours": "new"})


def test_an_object_that_is_not_there_is_made() -> None:
    """And read as None before."""
    server = Server()
    assert read(server.client, REF) is None
    written = update_on_conflict(server.client, REF, ours)
    assert written.text == {"ours": "new"}
    assert server.requests == ["get", "get", "create"]


def test_what_others_wrote_in_between_stays() -> None:
    """The change is made again, on the object as it is now."""
    server = Server(stored(), others=1)
    written = update_on_conflict(server.client, REF, ours)
    assert written.text == {"theirs": "kept", "ours": "new"}
    assert server.requests == ["get", "replace", "get", "replace"]


def test_what_is_right_already_is_not_written() -> None:
    """A change that hands back what it got leaves the version alone."""
    server = Server(stored())
    written = update_on_conflict(server.client, REF, lambda current: current or DataObject(REF))
    assert written.metadata["resourceVersion"] == "1"
    assert server.requests == ["get"]


def test_a_dry_run_asks_the_server_in_any_case() -> None:
    """It is how a missing right is found before the first upload."""
    server = Server(stored())
    unchanged = lambda current: current or DataObject(REF)  # noqa: E731
    update_on_conflict(server.client, REF, unchanged, dry_run=True)
    assert server.requests == ["get", "dry run"]


def test_a_known_version_is_not_read_again() -> None:
    """Two hundred shards would be two hundred requests."""
    server = Server(stored())
    cached = DataObject.from_body(stored(known="yes"))
    assert update_on_conflict(server.client, REF, ours, cached=cached).text["known"] == "yes"
    assert server.requests == ["replace"]


def test_an_object_that_is_written_again_and_again_is_told() -> None:
    """Two controllers that fight would otherwise keep a run for ever."""
    server = Server(stored(), others=4)
    assert update_on_conflict(server.client, REF, ours).text["ours"] == "new"
    server = Server(stored(), others=5)
    with pytest.raises(ApiConflict, match=r"pisync-a-state in namespace ns is being written again"):
        update_on_conflict(server.client, REF, ours)
