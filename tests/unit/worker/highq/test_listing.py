"""Reading HighQ's list of users to its end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.errors import HighQUnavailable
from profile_image_sync.worker.highq.listing import AccountPage, parse_page, read_accounts
from profile_image_sync.worker.people import Account


def account(number: int) -> Account:
    """Make one user."""
    return Account(number, True, f"p{number}@corp.example", None)


class Collaborate:
    """A list that begins anew when the offset lies beyond its end, and may change between requests."""

    def __init__(self, users: int, *, most: int = 10**9, tells_total: bool = True) -> None:
        self.users = [account(number) for number in range(users)]
        self.most = most
        self.tells_total = tells_total
        self.requests = 0
        self.changes: dict[int, list[Account]] = {}  # after so many requests, the list is this

    def fetch(self, limit: int, offset: int) -> AccountPage:
        """Response as HighQ does."""
        self.requests += 1
        assert self.requests < 10_000, "it reads for ever"
        start = offset if offset < len(self.users) else 0
        page = tuple(self.users[start : start + min(limit, self.most)])
        total = len(self.users) if self.tells_total else None
        self.users = self.changes.get(self.requests, self.users)
        return AccountPage(page, total)


@given(users=st.integers(0, 3500), most=st.integers(150, 4000), tells_total=st.booleans())
def test_every_user_comes_once(users: int, most: int, tells_total: bool) -> None:
    """Whatever the page size HighQ allows, and whether or not it tells how many there are."""
    highq = Collaborate(users, most=most, tells_total=tells_total)
    assert read_accounts(highq.fetch) == highq.users


def test_a_list_of_whole_pages_ends() -> None:
    """Where the last page is full, no page is asked for beyond the end (it would begin anew)."""
    highq = Collaborate(3000)
    assert len(read_accounts(highq.fetch)) == 3000
    assert highq.requests == 3


def test_a_list_that_shrinks_while_it_is_read_is_read_again() -> None:
    """A user deleted on a page already read moves another one out of sight: never lost for good."""
    highq = Collaborate(3000)
    highq.changes[1] = highq.users[1:]
    accounts = read_accounts(highq.fetch)
    assert [one.id for one in accounts] == list(range(1, 3000))


def test_a_list_that_begins_anew_in_the_middle_is_read_again() -> None:
    """Where the list shrinks below our offset, HighQ starts over: those users came already."""
    highq = Collaborate(3000)
    highq.changes[2] = highq.users[:1500]
    assert [one.id for one in read_accounts(highq.fetch)] == list(range(1500))


def test_a_list_that_grows_while_it_is_read_is_complete() -> None:
    """A user inserted before our offset is found by reading again."""
    highq = Collaborate(3000)
    highq.changes[1] = [account(9999), *highq.users]
    assert {one.id for one in read_accounts(highq.fetch)} == {*range(3000), 9999}


def test_a_list_that_never_fits_is_given_up_after_three_readings() -> None:
    """Half a list would leave people without their account: the run ends, the next one tries."""
    offsets: list[int] = []

    def fetch(_limit: int, offset: int) -> AccountPage:
        offsets.append(offset)
        return AccountPage((account(1),), 3)

    with pytest.raises(HighQUnavailable, match="changed while it was read, 3 times"):
        read_accounts(fetch)
    assert offsets == [0, 1] * 3


EXPECTED = Account(7, True, "Ann@Corp.example", "E7")


@pytest.mark.parametrize(
    "entry",
    [
        {"userid": 7, "status": "ACTIVE", "email": "Ann@Corp.example", "externalid": "E7"},
        {"userid": "7", "status": "Active", "email": " Ann@Corp.example ", "externalid": "E7"},
        {"id": 7, "status": "active", "email": "Ann@Corp.example", "externalid": "E7"},
        {"user": {"id": "7", "status": "active", "email": "Ann@Corp.example", "externalid": "E7"}},
    ],
)
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("key", ["user", "users"])
def test_a_user_is_read_in_every_shape(entry: dict[str, object], alone: bool, key: str) -> None:
    """Both families' fields, wrapped or not, alone without an array, numbers as text."""
    body = json.dumps({"total": 1, "totalcount": "1", key: entry if alone else [entry]}).encode()
    assert parse_page(body) == AccountPage((EXPECTED,), 1)


@pytest.mark.parametrize(
    "status", ["ARCHIVED", "Inactive", "disable", "suspended", "pending", "", None]
)
def test_only_active_is_active(status: str | None) -> None:
    """Whoever has another status, or none, gets no picture."""
    body = json.dumps({"totalcount": 1, "user": [{"userid": 1, "status": status}]}).encode()
    assert parse_page(body).accounts == (Account(1, False, None, None),)


def test_an_empty_address_is_no_address() -> None:
    """Empty text would match everyone else's empty text."""
    entry = {"userid": 1, "status": "active", "email": " ", "externalid": ""}
    body = json.dumps({"totalcount": 1, "user": [entry]}).encode()
    assert parse_page(body).accounts == (Account(1, True, None, None),)


@pytest.mark.parametrize("body", [b'{"totalcount": 0}', b'{"totalcount": 0, "user": []}'])
def test_a_list_may_be_empty(body: bytes) -> None:
    """No user at all is a response, too."""
    assert parse_page(body) == AccountPage((), 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"status": "ok"}',
        b'{"totalcount": 1, "user": "ann"}',
        b'{"totalcount": 1, "user": [1]}',
        b'{"totalcount": 1, "user": [{"user": 1}]}',
        b'{"totalcount": 1, "user": [{"email": "ann@corp.example"}]}',
        b'{"totalcount": 1, "user": [{"userid": {"a": 1}}]}',
        b'{"totalcount": 1, "user": [{"userid": 0}]}',
        b'{"totalcount": 1, "user": [{"userid": -7}]}',
        b'{"totalcount": 1, "user": [{"userid": 281474976710656}]}',
        b'{"totalcount": {"a": 1}, "user": []}',
        b'{"totalcount": 2, "user": [{"userid": 1',
    ],
)
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    """Something else than a list of users must never be read as an empty one."""
    with pytest.raises(ValueError):  # noqa: PT011  json has many words for it
        parse_page(body)
