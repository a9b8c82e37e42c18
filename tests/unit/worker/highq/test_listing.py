"""Reading HighQ's list of users to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.errors import HighQUnavailable
from profile_image_sync.worker.highq.listing import (
    AccountPage,
    parse_page,
    read_accounts,
)
from profile_image_sync.worker.people import Account


def read(fetch: Callable[[int, int], AccountPage]) -> tuple[list[Account], int]:
    """Read a list to its end: the users, and the number of rows that were passed over."""
    return read_accounts(fetch, list)


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
    assert read(highq.fetch)[0] == highq.users


def test_a_list_of_whole_pages_ends() -> None:
    """Where the last page is full, no page is asked for beyond the end (it would begin anew)."""
    highq = Collaborate(3000)
    assert len(read(highq.fetch)[0]) == 3000
    assert highq.requests == 3


def test_a_list_that_shrinks_while_it_is_read_is_read_again() -> None:
    """A user deleted on a page already read moves another one out of sight: never lost for good."""
    highq = Collaborate(3000)
    highq.changes[1] = highq.users[1:]
    found, _ = read(highq.fetch)
    assert [one.id for one in found] == list(range(1, 3000))


def test_a_list_that_begins_anew_in_the_middle_is_read_again() -> None:
    """Where the list shrinks below our offset, HighQ starts over: those users came already."""
    highq = Collaborate(3000)
    highq.changes[2] = highq.users[:1500]
    assert [one.id for one in read(highq.fetch)[0]] == list(range(1500))


def test_a_list_that_grows_while_it_is_read_is_complete() -> None:
    """A user inserted before our offset is found by reading again."""
    highq = Collaborate(3000)
    highq.changes[1] = [account(9999), *highq.users]
    assert {one.id for one in read(highq.fetch)[0]} == {*range(3000), 9999}


def test_a_list_that_never_fits_is_given_up_after_three_readings() -> None:
    """Half a list would leave people without their account: the run ends, the next one tries."""
    offsets: list[int] = []

    def fetch(_limit: int, offset: int) -> AccountPage:
        offsets.append(offset)
        return AccountPage((account(1),), 3)

    with pytest.raises(HighQUnavailable, match="changed while it was read, 3 times"):
        read(fetch)
    assert offsets == [0, 1] * 3


def test_rows_without_an_id_are_passed_over_and_counted() -> None:
    """One odd row in HighQ's list must not keep everybody else from being served."""
    pages = {
        0: AccountPage((account(1), account(2)), 5, ('{"userid": 0}',)),
        3: AccountPage((account(3),), 5, ('{"userid": null}',)),
    }
    found = read(lambda _limit, offset: pages[offset])
    assert found == ([account(1), account(2), account(3)], 2)


@pytest.mark.parametrize("total", [4, None])
def test_rows_that_come_twice_do_not_keep_the_run_from_its_work(total: int | None) -> None:
    """A list with the same row twice, the same on every reading, is odd and not changing."""
    odd = '{"userid": 0}'
    page = AccountPage((account(1), account(1)), total, (odd, odd))
    found = read(lambda _limit, _offset: page)
    assert found == ([account(1)], 1)


def test_a_page_of_odd_rows_only_does_not_end_the_list() -> None:
    """Where HighQ does not say how many there are, only a repeated page is the end."""
    pages = [
        AccountPage((account(1),), None),
        AccountPage((), None, ('{"userid": 0}',)),
        AccountPage((account(2),), None),
    ]
    found = read(lambda _limit, offset: pages[offset % 3])
    assert found == ([account(1), account(2)], 1)


EXPECTED = Account(7, True, "Ann@Corp.example", "E7")


def parse(text: bytes) -> AccountPage:
    """Parse the JSON of a response."""
    return parse_page(json.loads(text))


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
    assert parse(body) == AccountPage((EXPECTED,), 1)


@pytest.mark.parametrize(
    "status", ["ARCHIVED", "Inactive", "disable", "suspended", "pending", "", None]
)
def test_only_active_is_active(status: str | None) -> None:
    """Whoever has another status, or none, gets no picture."""
    body = json.dumps({"totalcount": 1, "user": [{"userid": 1, "status": status}]}).encode()
    assert parse(body).accounts == (Account(1, False, None, None),)


def test_an_empty_address_is_no_address() -> None:
    """Empty text would match everyone else's empty text."""
    entry = {"userid": 1, "status": "active", "email": " ", "externalid": ""}
    body = json.dumps({"totalcount": 1, "user": [entry]}).encode()
    assert parse(body).accounts == (Account(1, True, None, None),)


@pytest.mark.parametrize("body", [b'{"totalcount": 0}', b'{"totalcount": 0, "user": []}'])
def test_a_list_may_be_empty(body: bytes) -> None:
    """No user at all is a response, too."""
    assert parse(body) == AccountPage((), 0)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{}",
        b'{"status": "ok"}',
        b'{"totalcount": 1, "user": "ann"}',
        b'{"totalcount": {"a": 1}, "user": []}',
        b'{"totalcount": 1, "user": 7}',
    ],
)
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    """Something else than a list of users must never be read as an empty one."""
    with pytest.raises(ValueError):  # noqa: PT011  int() has words of its own
        parse(body)


@pytest.mark.parametrize(
    "row",
    [
        "1",
        "null",
        "[]",
        '{"user": 1}',
        '{"email": "ann@corp.example"}',
        '{"userid": {"a": 1}}',
        '{"userid": 0}',
        '{"userid": null}',
        '{"userid": true}',
        '{"userid": 1.5}',
        '{"userid": "\u0661"}',
        '{"userid": -7}',
        '{"userid": 281474976710656}',
    ],
)
def test_an_odd_row_is_told_from_a_user(row: str) -> None:
    """Only a whole number that a row of the state can hold is a user's id."""
    found = parse(f'{{"totalcount": 2, "user": [{row}, {{"userid": 7}}]}}'.encode())
    assert [one.id for one in found.accounts] == [7]
    assert len(found.odd) == 1


def test_a_row_that_is_nested_without_end_is_odd() -> None:
    """It can be read, but not be written again."""
    deep: object = []
    for _ in range(100_000):
        deep = [deep]
    assert len(parse_page({"totalcount": 1, "user": [deep]}).odd) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", True),
        (1, True),
        (True, True),
        ("True", True),
        ("yes", True),
        ("0", False),
        (0, False),
        (False, False),
        ("no", False),
        (None, None),
        ("", None),
        ("maybe", None),
        ({"a": 1}, None),
    ],
)
@pytest.mark.parametrize("name", ["avatar", "Avatar"])
def test_whether_someone_has_a_picture_is_read(
    name: str, value: object, expected: bool | None
) -> None:
    """FillEmpty rests on it; a list that does not say so is told from one that says no."""
    page = parse_page({"totalcount": 1, "user": [{"userid": 1, name: value}]})
    assert page.accounts[0].has_picture is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("29 May 2017 11:57", datetime(2017, 5, 29, 11, 57, tzinfo=UTC)),
        ("29 May 2017", datetime(2017, 5, 29, tzinfo=UTC)),
        ("2017-05-29T11:57:00", datetime(2017, 5, 29, 11, 57, tzinfo=UTC)),
        ("2017-05-29T13:57:00+02:00", datetime(2017, 5, 29, 11, 57, tzinfo=UTC)),
        ("2017-05-29T11:57:00.000+0000", datetime(2017, 5, 29, 11, 57, tzinfo=UTC)),
        (1_496_059_020_000, datetime(2017, 5, 29, 11, 57, tzinfo=UTC)),
        ("1496059020000", datetime(2017, 5, 29, 11, 57, tzinfo=UTC)),
        (10**30, None),
        ("29/05/2017", None),
        ("", None),
        (None, None),
        (["29 May 2017 11:57"], None),
    ],
)
@pytest.mark.parametrize("name", ["createddate", "createdDate"])
def test_when_an_account_was_made_is_read(
    name: str, text: object, expected: datetime | None
) -> None:
    """Joiners are told by it from those who were there before; no date is better than a wrong one."""
    page = parse_page({"totalcount": 1, "user": [{"userid": 1, name: text}]})
    assert page.accounts[0].created == expected
