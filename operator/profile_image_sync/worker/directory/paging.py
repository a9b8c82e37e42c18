"""Reads a whole subtree page by page, with page sizes chosen by bytes.

Apart, because it decides when a paged search is complete: an error, a repeated page or an endless
cookie must never pass for the end of the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from profile_image_sync.errors import DirectoryUnavailable
from profile_image_sync.worker.directory.entries import LdapEntry
from profile_image_sync.worker.directory.session import Session

PAGE_BYTES = 16 * 1024 * 1024  # a page is held in memory, two or three times over
FIRST_ROWS = 50
MAX_ROWS = 500  # AD's own limit is 1000 (MaxPageSize)
MAX_EMPTY_PAGES = 100  # consecutive; a sparse filter may leave some pages empty


def pages(
    session: Session, base: str, search_filter: str, attributes: Sequence[str]
) -> Iterator[list[LdapEntry]]:
    """Yield the entries below `base`, in no order; `attributes` must hold objectGUID.

    Raises DirectoryUnavailable when the answer breaks off, repeats itself or does not end.
    """
    rows, cookie, number, empty = FIRST_ROWS, b"", 0, 0
    starts: set[bytes] = set()  # one GUID of each page: a search that repeats itself meets it again
    while True:
        number += 1
        page = session.page(
            base, search_filter, attributes, rows=rows, cookie=cookie, number=number
        )
        cookie = page.cookie
        empty = 0 if page.entries else empty + 1
        if empty > MAX_EMPTY_PAGES:
            raise _endless(session, f"page {number} is empty again")
        if page.entries:
            rows = next_rows(rows, len(page.entries), sum(map(_weight, page.entries)))
            guids = [guid for entry in page.entries for guid in entry.get("objectguid", ())]
            if not starts.isdisjoint(guids):
                raise _endless(session, f"page {number} holds people of an earlier one")
            starts.update(guids[:1])
            yield page.entries
        if not cookie:
            return


def next_rows(asked: int, got: int, weight: int) -> int:
    """Return how many rows to ask for after `got` rows weighing `weight` bytes; grows by doubling."""
    fitting = PAGE_BYTES * got // max(weight, 1)
    return max(1, min(MAX_ROWS, 2 * asked, fitting))


def _weight(entry: LdapEntry) -> int:
    return sum(len(value) for values in entry.values() for value in values)


def _endless(session: Session, what: str) -> DirectoryUnavailable:
    return DirectoryUnavailable(
        f"{session.server} does not come to an end: {what}; nothing is taken from what was read. "
        "The next run tries again; if it stays so, look at that server"
    )
