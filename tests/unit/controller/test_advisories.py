"""Warnings of two resources at once, and of a date that comes nearer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from profile_image_sync.controller.advisories import Advisories, overlap
from profile_image_sync.controller.bodies import Tenant
from tests.support.snapshots import NOW, SPEC, observed


def tenant(name: str, namespace: str = "tenant-acme", **directory: Any) -> Tenant:
    """Return a resource whose directory is read so."""
    spec = {"activeDirectory": SPEC["activeDirectory"] | directory}
    made = observed(spec).tenant
    return replace(made, name=name, namespace=namespace, uid=f"{namespace}-{name}")


def test_two_resources_on_one_highq_are_told_of_each_other_once() -> None:
    """Each would upload over the other's pictures, run after run."""
    advisories = Advisories()
    first, second = tenant("acme"), tenant("acme-too")
    assert advisories.about(first, None, NOW) == []
    (event,) = advisories.about(second, None, NOW)
    assert (event.reason, event.warning) == ("SharedHighQ", True)
    assert "ProfileImageSync acme " in event.note
    assert advisories.about(second, None, NOW) == []
    assert len(advisories.about(first, None, NOW)) == 1


def test_the_name_of_another_tenants_resource_is_not_told() -> None:
    """Who may read this namespace need not know what is in others."""
    advisories = Advisories()
    advisories.about(tenant("secret-project", "tenant-globex"), None, NOW)
    (event,) = advisories.about(tenant("acme"), None, NOW)
    assert "secret-project" not in event.note


def test_a_resource_that_is_gone_or_moved_is_no_neighbour() -> None:
    """Deleted, or pointed at another HighQ."""
    for change in ("deleted", "moved"):
        advisories, other = Advisories(), tenant("old")
        advisories.about(other, None, NOW)
        if change == "deleted":
            advisories.forget(other.namespace, other.name)
        else:
            highq = other.spec.highq.model_copy(update={"url": "https://b.highq.com/b"})
            moved = replace(other, spec=other.spec.model_copy(update={"highq": highq}))
            advisories.about(moved, None, NOW)
        assert advisories.about(tenant("acme"), None, NOW) == []


@pytest.mark.parametrize(
    ("some", "others", "shared"),
    [
        ((), (), True),
        ((), ("OU=a,DC=x",), True),
        (("OU=a,DC=x",), ("OU=b,DC=x",), False),
        (("OU=a,DC=x",), ("ou=A, dc=x",), True),
        (("OU=b,OU=a,DC=x",), ("OU=a,DC=x",), True),
        (("OU=a,DC=x",), ("OU=b,OU=a,DC=x",), True),
        (("OU=aa,DC=x",), ("OU=a,DC=x",), False),
        (("OU=a,DC=x", "OU=b,DC=x"), ("OU=c,DC=x", "OU=b,DC=x"), True),
    ],
)
def test_search_bases_share_people_when_one_holds_the_other(
    some: tuple[str, ...], others: tuple[str, ...], shared: bool
) -> None:
    """Compared as the directory compares names; none is all of the domain."""
    assert overlap(some, others) is shared
    assert overlap(others, some) is shared


def test_a_token_that_expires_within_a_month_is_told_once() -> None:
    """With the command that mends it; a new date is told anew."""
    advisories, acme = Advisories(), tenant("acme")
    assert advisories.about(acme, NOW + timedelta(days=30, seconds=1), NOW) == []
    (event,) = advisories.about(acme, NOW + timedelta(days=30), NOW)
    assert (event.reason, event.warning) == ("TokenExpires", True)
    assert "authorize" in event.note
    assert advisories.about(acme, NOW + timedelta(days=30), NOW) == []
    assert len(advisories.about(acme, NOW + timedelta(days=28), NOW)) == 1
