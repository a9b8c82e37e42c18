"""HighQ's users, packed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.highq import MatchKey
from profile_image_sync.worker import accounts
from profile_image_sync.worker.accounts import (
    NO_DIGEST,
    AccountIndex,
    digests_of,
    id_mark,
    key_digest,
)
from profile_image_sync.worker.people import MAX_ACCOUNT_ID, Account
from tests.unit.worker.fakes import index_of

EMAIL, EXTERNALID = MatchKey.EMAIL, MatchKey.EXTERNALID
CREATED = datetime(2017, 5, 29, 11, 57, tzinfo=UTC)
TEXTS = st.none() | st.sampled_from(["a@x", " A@x", "maße@x", "masse@x", "", " "])


@given(TEXTS, TEXTS)
def test_values_are_alike_but_for_ascii_case_and_blanks(one: str | None, other: str | None) -> None:
    """And what is empty is like nothing."""
    same = (one or "").strip().lower() == (other or "").strip().lower()
    assert (key_digest(one) == key_digest(other)) == same
    assert (key_digest(one) == NO_DIGEST) == (not (one or "").strip())


@pytest.mark.parametrize("number", [1, MAX_ACCOUNT_ID])
@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("has_picture", [True, False, None])
@pytest.mark.parametrize("created", [CREATED, None])
def test_a_user_is_found_by_each_value_as_it_was_listed(
    number: int, active: bool, has_picture: bool | None, created: datetime | None
) -> None:
    """With all that decides about them; what led there is not kept."""
    listed = Account(number, active, "Ann@x", "E7", has_picture, created)
    index = index_of([listed], (EMAIL, EXTERNALID, EMAIL))
    expected = Account(number, active, None, None, has_picture, created)
    assert list(index.bearers(0, key_digest("ann@X "))) == [expected]
    assert list(index.bearers(1, key_digest("e7"))) == [expected]
    assert list(index.bearers(2, key_digest("e7"))) == []
    recorded = index.active(number)
    assert (recorded is not None) == active
    assert recorded is None or recorded.has_picture is has_picture
    assert (index.highest_id, len(index)) == (number, 1)
    assert index.tells_pictures == (has_picture is not None)


def test_who_has_no_value_is_borne_by_nobody() -> None:
    """An account without an address is not that of people without one."""
    index = index_of([Account(1, True, None, " ")], (EMAIL, EXTERNALID))
    for rule in (0, 1):
        assert list(index.bearers(rule, NO_DIGEST)) == []


def test_what_leads_to_an_account_is_kept_where_it_is_asked_for() -> None:
    """By a value, by an id, or because it is new: to ask the directory who else bears it."""
    wanted = {*digests_of(["b@x"]), id_mark(3)}
    index = AccountIndex([EMAIL, EXTERNALID], wanted=wanted, known=4)
    for number, name in enumerate("abcdef", 1):
        index.append(Account(number, True, f"{name.upper()}@x", None))
    assert [number for number in range(1, 8) if index.keeps(number)] == [2, 3, 5, 6]
    assert index.new == [5, 6]
    assert list(index.values([2, 5])) == [(0, "B@x"), (0, "E@x")]


def test_a_value_whose_digest_falls_together_with_another_is_not_the_account_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a hash of no bit at all, everyone leads everywhere; the value itself does not."""
    monkeypatch.setattr(accounts, "DIGEST_MASK", 0)
    monkeypatch.setattr(accounts, "NO_DIGEST", b"")
    index = index_of([Account(1, True, "ann@x", None), Account(2, True, "bob@x", None)], [EMAIL])
    assert [found.id for found in index.bearers(0, key_digest("bob@x"))] == [1, 2]
    assert index.bears(2, 0, " BOB@x")
    assert not index.bears(1, 0, "bob@x")
    assert not index.bears(2, 0, None)
