"""Reads HighQ's user list to its end and turns each row into an Account. No I/O.

Collaborate's list starts again at 0 when the offset lies beyond its end (API page "Get user list"), and
either list may change while it is read. A client that trusts either would loop for ever or miss people.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from profile_image_sync.errors import HighQUnavailable
from profile_image_sync.worker.people import MAX_ACCOUNT_ID, Account

PAGE_SIZE = 1000  # users; about 2 MB of Collaborate's JSON
MAX_PASSES = 3  # of a list that keeps changing


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One response: some users, and how many there are in all (None: HighQ did not say)."""

    accounts: tuple[Account, ...]
    total: int | None


def read_accounts(fetch: Callable[[int, int], AccountPage]) -> list[Account]:
    """Return all users; `fetch(limit, offset)` gets a page. Raises HighQUnavailable if it never fits."""
    for _ in range(MAX_PASSES):
        accounts = _read_once(fetch)
        if accounts is not None:
            return accounts
    raise HighQUnavailable(
        f"the list of HighQ's users changed while it was read, {MAX_PASSES} times in a row"
    )


def _read_once(fetch: Callable[[int, int], AccountPage]) -> list[Account] | None:
    """Return one reading; None if it may lack somebody.

    When a user goes, all later ones move up: the reading may lack one and hold one who is gone, and
    still have the right number. So a number that falls makes it useless.
    """
    seen: dict[int, Account] = {}
    offset = total = 0
    while True:
        page = fetch(PAGE_SIZE, offset)
        if page.total is not None and page.total < total:
            return None
        total = page.total or 0
        known = len(seen)
        seen.update((account.id, account) for account in page.accounts)
        offset += len(page.accounts)  # HighQ may give fewer than asked for
        nobody_new = len(seen) == known  # the list is empty, or has begun anew
        if nobody_new or (page.total is not None and offset >= total):
            return list(seen.values()) if page.total in {None, len(seen)} else None


def parse_page(body: bytes) -> AccountPage:
    """Read a list response of either family. Raises ValueError, without a word of it, if it is none."""
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004  ValueError is what json raises, too
    entries = document.get("user", document.get("users"))
    total = document.get("totalcount")
    if entries is None and total is None:
        raise ValueError("neither users nor their number")
    if not isinstance(entries, list):  # Java's XML-to-JSON mappers write one element so
        entries = [] if entries is None else [entries]
    return AccountPage(
        accounts=tuple(_account(entry) for entry in entries),
        total=None if total is None else int(str(total)),
    )


def _account(entry: object) -> Account:
    """Read one user: Collaborate says `userid`, Publisher `id`, in a wrapper of its own or not."""
    user = entry.get("user", entry) if isinstance(entry, dict) else entry
    if not isinstance(user, dict):
        raise ValueError("not a user")  # noqa: TRY004
    number = int(str(user.get("userid", user.get("id"))))  # may be spelled as text
    if not 0 < number <= MAX_ACCOUNT_ID:
        raise ValueError("not a user's id")
    return Account(
        id=number,
        active=str(user.get("status")).strip().lower() == "active",
        email=_text(user.get("email")),
        externalid=_text(user.get("externalid")),
    )


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None
