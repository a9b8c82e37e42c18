"""Reads HighQ's user list to its end and turns each row into an Account. No I/O.

Collaborate's list starts again at 0 when the offset lies beyond its end (API page "Get user list"), and
either list may change while it is read. A client that trusts either would loop for ever or miss people.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from profile_image_sync.errors import HighQUnavailable
from profile_image_sync.worker.packed import IdSet
from profile_image_sync.worker.people import MAX_ACCOUNT_ID, Account

PAGE_SIZE = 1000  # users; about 2 MB of Collaborate's JSON
MAX_PASSES = 3  # over a list that keeps changing
_DATE_FORMATS = ("%d %b %Y %H:%M", "%d %b %Y", "%d %B %Y %H:%M")  # the API page has the first
_YES = {"1", "true", "yes", "y"}
_NO = {"0", "false", "no", "n"}


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One response: the users that can be used, the rows that cannot, and how many there are in all."""

    accounts: tuple[Account, ...]
    total: int | None  # None: HighQ did not say
    odd: tuple[str, ...] = ()  # rows without a usable id, as canonical JSON


class AccountSink(Protocol):
    """What takes users one by one: a list, or an index that packs them."""

    def append(self, account: Account, /) -> None:
        """Take a user."""


T = TypeVar("T", bound=AccountSink)


def read_accounts(
    fetch: Callable[[int, int], AccountPage], begin: Callable[[], T]
) -> tuple[T, int]:
    """Give all users, each id once, to what `begin` makes; return it, and the number of rows passed over.

    `fetch(limit, offset)` gets a page. A reading that does not fit is void: it begins anew, with another
    sink. Raises HighQUnavailable if it never fits.
    """
    before: _Reading | None = None
    for _ in range(MAX_PASSES):
        sink = begin()
        found, total = _read_once(fetch, sink)
        if found and (total is None or len(found.ids) + len(found.odd) == total):
            return sink, len(found.odd)
        if found and found == before:  # as many rows as announced, twice alike: some come twice
            return sink, len(found.odd)
        before = found
    raise HighQUnavailable(
        f"the list of HighQ's users changed while it was read, {MAX_PASSES} times in a row"
    )


@dataclass(slots=True)
class _Reading:
    """Which users and which odd rows one reading of the list held."""

    ids: IdSet = field(default_factory=IdSet)
    odd: set[str] = field(default_factory=set)


def _read_once(
    fetch: Callable[[int, int], AccountPage], sink: AccountSink
) -> tuple[_Reading | None, int | None]:
    """Return one pass with the announced number; None if it may lack somebody.

    When a user goes, all later ones move up: the pass may lack one and hold one who is gone, and
    still have the right number. So a number that falls makes it useless.
    """
    found = _Reading()
    offset = total = 0
    while True:
        page = fetch(PAGE_SIZE, offset)
        if page.total is not None and page.total < total:
            return None, total
        total = page.total or 0
        new = [account for account in page.accounts if account.id not in found.ids]
        new_odd = set(page.odd) - found.odd
        found.odd |= new_odd
        for account in {account.id: account for account in new}.values():
            found.ids.add(account.id)
            sink.append(account)
        offset += len(page.accounts) + len(page.odd)  # HighQ may give fewer than asked for
        if page.total is not None and offset >= total:
            return found, total
        if not (new or new_odd):  # the list is empty, or has started again at 0
            return (found if page.total is None else None), page.total


def parse_page(document: object) -> AccountPage:
    """Read a list of either family. Raises ValueError, without a word of it, if it is none."""
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004  it is about JSON, not about a type
    rows = document.get("user", document.get("users"))
    total = document.get("totalcount")
    if rows is None and total is None:
        raise ValueError("neither users nor their number")
    if isinstance(rows, str | int | float):
        raise ValueError("not users")  # noqa: TRY004
    if not isinstance(rows, list):  # Java's XML-to-JSON mappers write one element so
        rows = [] if rows is None else [rows]
    accounts = [_account(row) for row in rows]
    return AccountPage(
        accounts=tuple(account for account in accounts if account),
        total=None if total is None else int(str(total)),
        odd=tuple(
            _canonical(row) for row, account in zip(rows, accounts, strict=True) if account is None
        ),
    )


def _account(row: object) -> Account | None:
    """Read one user: Collaborate says `userid`, Publisher `id`, in a wrapper of its own or not."""
    user = row.get("user", row) if isinstance(row, dict) else None
    if not isinstance(user, dict):
        return None
    fields = {name.lower(): value for name, value in user.items()}
    number = _text(fields.get("userid", fields.get("id"))) or ""  # may be spelled as text
    if not (number.isascii() and number.isdecimal() and 0 < int(number) <= MAX_ACCOUNT_ID):
        return None
    return Account(
        id=int(number),
        active=(_text(fields.get("status")) or "").lower() == "active",
        email=_text(fields.get("email")),
        externalid=_text(fields.get("externalid")),
        has_picture=_yes_or_no(fields.get("avatar")),
        created=_date(fields.get("createddate")),
    )


def _canonical(row: object) -> str:
    try:
        return json.dumps(row, sort_keys=True)
    except RecursionError:
        return "nested without end"


def _text(value: object) -> str | None:
    return str(value).strip() or None if isinstance(value, str | int) else None


def _yes_or_no(value: object) -> bool | None:
    text = (_text(value) or "").lower()
    return True if text in _YES else False if text in _NO else None


def _date(value: object) -> datetime | None:
    """Read a date without a zone as UTC: whoever compares leaves a day's margin."""
    text = _text(value) or ""
    if text.isdecimal():  # Java's mappers write milliseconds
        with suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        return None
    for form in _DATE_FORMATS:
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
