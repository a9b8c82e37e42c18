"""How things are called in a cluster: stored states are found by these names, also by the next version."""

from __future__ import annotations

import pytest

from profile_image_sync import names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (names.child("a"), "pisync-a"),
        (names.child("a", "run", "x1"), "pisync-a-run-x1"),
        (names.state("a"), "pisync-a-state"),
        (names.shard("a", 7), "pisync-a-state-007"),
        (names.report("a"), "pisync-a-report"),
        (names.people("a"), "pisync-a-people"),
        (names.token("highq"), "pisync-token-highq"),
        (names.run_id("a", "pisync-a-28931"), "28931"),
        (names.run_id("a", "made-by-hand"), "made-by-hand"),
    ],
)
def test_names_stay_as_they_are(name: str, expected: str) -> None:
    """Another spelling would leave every state behind."""
    assert name == expected


def test_a_child_goes_with_its_resource() -> None:
    """And does not hold up its deletion."""
    owner = names.owner("a", "uid-1")
    assert owner == {
        "apiVersion": "profileimagesync.io/v1alpha1",
        "kind": "ProfileImageSync",
        "name": "a",
        "uid": "uid-1",
        "controller": True,
        "blockOwnerDeletion": False,
    }


def test_a_childs_longest_name_fits() -> None:
    """A Job's name becomes a label of its pods: 63 characters. Resources of 40 characters are there."""
    assert names.MAX_NAME_LENGTH == 40
    assert len(names.child("x" * names.MAX_NAME_LENGTH, "run", "1" * 11)) <= 63
