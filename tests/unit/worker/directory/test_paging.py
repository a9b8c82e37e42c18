"""Paged searches: pages of a bearable weight, and an end that is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from profile_image_sync.errors import DirectoryUnavailable
from profile_image_sync.worker.directory.paging import MAX_ROWS, PAGE_BYTES, next_rows, pages
from profile_image_sync.worker.directory.session import Session


@dataclass
class Answer:
    """One page; the cookie is empty at the end."""

    entries: list[dict[str, list[bytes]]]
    cookie: bytes


@dataclass
class Server:
    """A domain controller that answers as it is told."""

    answers: list[Answer]
    server: str = "dc1.corp.example"
    asked: list[tuple[int, int, bytes]] = field(default_factory=list)  # number, rows, cookie

    def page(self, *_: Any, rows: int, cookie: bytes, number: int) -> Answer:
        """Return the next page."""
        self.asked.append((number, rows, cookie))
        return self.answers.pop(0)


def read(*answers: list[str] | None, ends: bool = True) -> tuple[list[str], Server]:
    """Read pages of these people (None: an empty page); return who was seen."""
    found = [
        Answer([{"objectguid": [name.encode()]} for name in names or ()], f"c{number}".encode())
        for number, names in enumerate(answers, 1)
    ]
    if ends:
        found[-1].cookie = b""
    server = Server(found)
    read_pages = pages(cast("Session", server), "DC=x", "(cn=*)", ["objectGUID"])
    return [entry["objectguid"][0].decode() for page in read_pages for entry in page], server


def test_pages_are_read_until_the_cookie_is_empty() -> None:
    """Each with the cookie of the one before, and more rows; an empty page in between ends nothing."""
    seen, server = read(["a", "b"], None, ["c"])
    assert seen == ["a", "b", "c"]
    assert server.asked == [(1, 50, b""), (2, 100, b"c1"), (3, 100, b"c2")]


def test_nobody_at_all_is_an_end_too() -> None:
    """Whether that can be is judged elsewhere."""
    assert read(None)[0] == []


def test_a_hundred_empty_pages_in_a_row_are_borne_and_no_more() -> None:
    """A sparse filter leaves pages empty; a server that never ends must not keep the run for ever."""
    empty: list[list[str] | None] = [None] * 100
    assert read(*empty, ["a"], *empty, ["b"])[0] == ["a", "b"]
    with pytest.raises(DirectoryUnavailable, match=r"dc1\.corp\.example.*page 101 is empty again"):
        read(*empty, None, ["a"])


@pytest.mark.parametrize("again", [["a"], ["x", "a"]])
def test_a_search_that_repeats_itself_is_no_end(again: list[str]) -> None:
    """Its pages would hide everyone who is on the others."""
    with pytest.raises(DirectoryUnavailable, match="page 3 holds people of an earlier one"):
        read(["a", "b"], ["c"], again)


@pytest.mark.parametrize(
    ("asked", "got", "weight", "expected"),
    [
        (50, 50, 50 * 1_000, 100),  # light: grows by doubling
        (400, 400, 400 * 1_000, MAX_ROWS),
        (500, 500, 500 * 100_000, 167),  # heavy: 16 MiB a page
        (50, 50, 50 * 5_000_000, 3),  # jpegPhoto has no limit
        (50, 50, 50 * 100 * PAGE_BYTES, 1),
        (50, 7, 7 * 1_000, 100),  # a short page says what a row weighs, too
        (50, 3, 0, 100),
    ],
)
def test_the_next_page_weighs_about_16_mib(
    asked: int, got: int, weight: int, expected: int
) -> None:
    """Judged by the last page, never more than twice as many rows."""
    assert next_rows(asked, got, weight) == expected


def test_a_page_is_weighed_by_all_its_values() -> None:
    """Two photographs of 6 MiB on a page of two: the next one asks for as many as 16 MiB hold."""
    photo = {"objectguid": [b"1"], "jpegphoto": [bytes(3 << 20), bytes(3 << 20)]}
    other = {"objectguid": [b"2"], "jpegphoto": [bytes(6 << 20)]}
    server = Server([Answer([photo, other], b"c"), Answer([], b"")])
    assert len(list(pages(cast("Session", server), "DC=x", "(cn=*)", ["objectGUID"]))) == 1
    assert server.asked[1] == (2, 2, b"c")
