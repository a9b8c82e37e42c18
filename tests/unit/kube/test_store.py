"""The copy of objects that an informer keeps, in every order of events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.kube.resources import ObjectRef
from profile_image_sync.kube.store import Change, ObjectStore, Selection

LABEL = "example.com/sync"
JOBS = Selection("Job")
REPORTS = Selection("ConfigMap", "a", (("part", "report"),))
STATES = Selection("ConfigMap", "a", (("part", "state"),), metadata_only=True)


def job(name: str, version: int, sync: str = "acme") -> dict[str, Any]:
    """Return a Job of a resource."""
    metadata = {
        "name": name,
        "namespace": "a",
        "resourceVersion": str(version),
        "labels": {LABEL: sync},
        "managedFields": [{"manager": "x"}],
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"n": version}}


def config_map(name: str, version: int, part: str) -> dict[str, Any]:
    """Return a ConfigMap that is one part of a resource."""
    metadata = {"name": name, "namespace": "a", "resourceVersion": str(version)}
    metadata["labels"] = {"part": part}  # type: ignore[assignment]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}}


def shown(changes: list[Change]) -> list[tuple[str, int | None, int | None]]:
    """Return what is different, by name and versions."""
    return [
        (
            each.ref.name,
            each.before.version if each.before else None,
            each.after.version if each.after else None,
        )
        for each in changes
    ]


def listing(
    store: ObjectStore, selection: Selection, bodies: Iterable[dict[str, Any]], version: int
) -> list[Change]:
    """Have these objects listed; return what is different."""
    return store.replace(selection, [store.pack(selection, body) for body in bodies], version)


def store_with(*bodies: dict[str, Any], version: int = 10) -> ObjectStore:
    """Return a store in which these Jobs were listed."""
    store = ObjectStore(LABEL)
    listing(store, JOBS, bodies, version)
    return store


def test_an_object_is_found_by_name_label_and_kind() -> None:
    """A reconcile finds its children without asking the API server."""
    store = store_with(job("one", 3), job("two", 4, sync="beta"))
    one = store.get(ObjectRef("Job", "a", "one"))
    assert one
    assert one["spec"] == {"n": 3}
    assert store.labelled("a", "acme") == [one]
    assert store.labelled("b", "acme") == []
    assert {ref.name for ref in store.refs("Job")} == {"one", "two"}
    assert (store.refs("Job", "a"), store.refs("Job", "b")) == (store.refs("Job"), [])
    assert ObjectRef("Job", "a", "one") in store
    assert ObjectRef("Job", "b", "one") not in store


def test_who_wrote_which_field_is_not_kept() -> None:
    """It is often longer than the object."""
    one = store_with(job("one", 3)).get(ObjectRef("Job", "a", "one"))
    assert one
    assert "managedFields" not in one["metadata"]


def test_a_change_of_the_label_moves_the_object() -> None:
    """Nobody finds it where it was."""
    store = store_with(job("one", 3))
    store.put(JOBS, job("one", 11, sync="beta"))
    assert store.labelled("a", "acme") == []
    assert len(store.labelled("a", "beta")) == 1


def test_only_what_differs_is_a_change() -> None:
    """A relisting after a gap wakes nobody but those whose children changed meanwhile."""
    store = store_with(job("same", 3), job("changed", 4), job("removed", 5))
    listed = [job("same", 3), job("changed", 12), job("made", 13)]
    assert sorted(shown(listing(store, JOBS, listed, 14))) == [
        ("changed", 4, 12),
        ("made", None, 13),
        ("removed", 5, None),
    ]
    assert store.put(JOBS, job("same", 3)) == []


def test_selections_of_one_kind_do_not_touch_each_other() -> None:
    """Reports are kept whole, of state only the metadata; a listing of one removes none of the other."""
    store = ObjectStore(LABEL)
    listing(store, REPORTS, [config_map("report", 1, "report")], 5)
    listing(store, STATES, [config_map("state", 2, "state")], 6)
    report, state = (store.get(ObjectRef("ConfigMap", "a", name)) for name in ("report", "state"))
    assert report
    assert state
    assert report["data"] == {"k": "v"}
    assert "data" not in state
    assert shown(listing(store, REPORTS, [], 7)) == [("report", 1, None)]


def test_an_object_that_moved_to_another_selection_is_not_removed_by_the_first() -> None:
    """Its label changed: one watch shows it as added, the other, later, as deleted."""
    store = ObjectStore(LABEL)
    listing(store, REPORTS, [config_map("x", 1, "report")], 5)
    listing(store, STATES, [], 5)
    store.put(STATES, config_map("x", 6, "state"))
    assert store.remove(REPORTS, config_map("x", 6, "state")) == []
    assert store.get(ObjectRef("ConfigMap", "a", "x"))


def test_what_we_wrote_is_there_at_once_and_no_change() -> None:
    """The reconcile after a create must not create again; nobody is woken by their own write."""
    store = store_with()
    store.take_written(job("one", 11))
    assert store.get(ObjectRef("Job", "a", "one"))
    assert store.put(JOBS, job("one", 11)) == []


def test_what_we_wrote_and_others_removed_does_not_come_back() -> None:
    """The watch was quicker than the answer of our write: it has shown the removal already."""
    store = store_with()
    store.put(JOBS, job("one", 11))
    store.remove(JOBS, job("one", 12))
    store.take_written(job("one", 11))
    assert store.get(ObjectRef("Job", "a", "one")) is None


def test_a_listing_from_before_our_write_does_not_remove_it() -> None:
    """It was on its way while we wrote."""
    store = store_with()
    store.take_written(job("one", 12))
    listing(store, JOBS, [], 11)
    assert store.get(ObjectRef("Job", "a", "one"))
    listing(store, JOBS, [], 13)
    assert store.get(ObjectRef("Job", "a", "one")) is None


def test_what_is_not_watched_is_not_kept() -> None:
    """Of a Secret nothing stays in memory."""
    store = store_with()
    store.take_written(config_map("x", 11, "report") | {"kind": "Secret"})
    assert store.get(ObjectRef("Secret", "a", "x")) is None


def test_a_write_is_kept_by_the_selection_that_it_belongs_to() -> None:
    """Kind, namespace and every label; of state only the metadata."""
    store = ObjectStore(LABEL)
    for selection in (REPORTS, STATES, JOBS):
        listing(store, selection, [], 5)
    elsewhere = config_map("elsewhere", 6, "report")
    elsewhere["metadata"]["namespace"] = "b"
    unlabelled = config_map("unlabelled", 6, "report")
    unlabelled["metadata"]["labels"] = None
    for body in (
        config_map("report", 6, "report"),
        config_map("state", 6, "state"),
        config_map("other", 6, "people"),
        job("job", 6),
        elsewhere,
        unlabelled,
    ):
        store.take_written(body)
    assert {ref.name for ref in store.refs("ConfigMap")} == {"report", "state"}
    assert [ref.name for ref in store.refs("Job")] == ["job"]
    state = store.get(ObjectRef("ConfigMap", "a", "state"))
    assert state
    assert state.keys() == {"apiVersion", "kind", "metadata"}


def test_a_selection_is_asked_for_by_its_labels() -> None:
    """As the API server's `labelSelector` wants them."""
    both = Selection("ConfigMap", "a", (("part", "report"), ("by", "us")))
    assert (both.selector, JOBS.selector) == ("part=report,by=us", "")
    assert (both.ref, JOBS.ref) == (ObjectRef("ConfigMap", "a"), ObjectRef("Job", ""))


def test_the_watch_goes_on_from_where_it_was() -> None:
    """After a listing, an event, a removal and a bookmark; of what was never listed nothing is known."""
    store = ObjectStore(LABEL)
    assert store.version(JOBS) is None
    listing(store, JOBS, [], 10)
    assert store.version(JOBS) == 10
    store.put(JOBS, job("one", 11))
    assert store.version(JOBS) == 11
    store.remove(JOBS, job("one", 12))
    assert store.version(JOBS) == 12
    store.advance(JOBS, 20)
    assert (store.version(JOBS), store.version(REPORTS)) == (20, None)


def test_an_object_without_the_label_is_nobodys_child() -> None:
    """It is found by its name and kind alone."""
    store = store_with()
    body = job("one", 11)
    body["metadata"]["labels"] = None
    store.put(JOBS, body)
    assert store.labelled("a", "") == []
    assert [ref.name for ref in store.refs("Job")] == ["one"]


steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove", "written", "list"]),
        st.sampled_from(["x", "y", "z"]),
        st.sampled_from(["acme", "beta"]),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_happens_store_and_index_say_what_the_server_says(
    steps: list[tuple[str, str, str]],
) -> None:
    """After each event the copy is the server's truth, by name, by label and by kind."""
    store, truth = store_with(version=0), dict[str, dict[str, Any]]()
    for version, (step, name, sync) in enumerate(steps, start=1):
        body = job(name, version, sync)
        if step == "remove":
            if truth.pop(name, None):
                store.remove(JOBS, body)
        elif step == "list":
            listing(store, JOBS, truth.values(), version)
        else:
            truth[name] = body
            store.take_written(body) if step == "written" else store.put(JOBS, body)
        for value in ("acme", "beta"):
            wanted = {k: v for k, v in truth.items() if v["metadata"]["labels"][LABEL] == value}
            found = store.labelled("a", value)
            versions = {e["metadata"]["name"]: e["metadata"]["resourceVersion"] for e in found}
            assert versions == {k: v["metadata"]["resourceVersion"] for k, v in wanted.items()}
    assert {ref.name for ref in store.refs("Job")} == set(truth)
