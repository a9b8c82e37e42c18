"""Both families' user lists and user objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import fromstring as parse_xml

import httpx
import pytest

from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people, person

Connect = Callable[..., httpx.Client]

COLLABORATE_FIELDS = (
    "userid firstname lastname email emaildomain org img title goesby invitationsent createdby createddate "
    "modifiedby modifieddate ifpartner status lastlogindate invalidlogins externalid "
    "publicwebsiteprofileid systemuser phone secretaryname secretarymail mobile department "
    "resetpassworddate sourcetype bio usertypeid avatar practicegroup langcode publicprofile jobtitle "
    "specialities dateOfBirth address sociallinks messaginglink "
)


@pytest.fixture(scope="module")
def crowd(simulator: Simulator) -> Instance:
    """Give a HighQ of 250 users, 1 to 250; the last one is its administrator."""
    special = {
        3: person(3, status="Archived"),
        4: person(4, status="Inactive", email="Odd.Mail+tag@Acme.example"),
        5: person(5, firstname="Zoë", lastname="O'Hara", externalid="GUID-5"),
        250: person(250, sysadmin=True),
    }
    return simulator.create_instance(users=[special.get(one.id, one) for one in people(250)])


@pytest.fixture
def crowd_api(crowd: Instance, connect: Connect) -> httpx.Client:
    """Give a client of the crowd."""
    return connect(crowd, crowd.tokens().access_token)


def ids(answer: httpx.Response, field: str = "userid") -> list[int]:
    """Read the user ids of a list."""
    return [user[field] for user in answer.json()["user"]]


@pytest.mark.parametrize(
    ("query", "first", "count"),
    [
        ({}, 1, 100),
        ({"limit": 7}, 1, 7),
        ({"limit": 1000}, 1, 250),
        ({"limit": -1}, 1, 250),
        ({"limit": -1, "offset": 240}, 241, 10),
        ({"limit": -2}, 1, 100),
        ({"limit": 0}, 1, 100),
        ({"limit": "many"}, 1, 100),
        ({"limit": 100, "offset": 200}, 201, 50),
        ({"offset": 249}, 250, 1),
        ({"offset": 250}, 1, 100),
        ({"offset": 9999}, 1, 100),
        ({"offset": -5}, 1, 100),
        ({"offset": "x"}, 1, 100),
    ],
)
def test_collaborate_pages(
    crowd_api: httpx.Client, query: dict[str, Any], first: int, count: int
) -> None:
    """Odd limits mean 100, -1 all; an offset that is odd or past the end starts over."""
    answer = crowd_api.get("api/3/users", params=query)
    assert ids(answer)[0] == first
    assert len(ids(answer)) == answer.json()["total"] == count
    assert answer.json()["totalcount"] == 250


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "Archived"}, [3]),
        ({"status": "inactive"}, [4]),
        ({"status": "Active", "email": "P7@ACME.example"}, [7]),
        ({"status": "Archived", "email": "p7@acme.example"}, []),
        ({"email": "odd.mail+tag@acme.example"}, [4]),
        ({"externalid": "ext-9"}, [9]),
        ({"externalid": "ext"}, []),
        ({"firstname": "zoë"}, [5]),
        ({"lastname": "O'Hara"}, [5]),
        ({"alphabets": "o"}, [5]),
        ({"search": "o'ha"}, [5]),
        ({"search": "guid"}, [5]),
        ({"search": "mail+tag"}, [4]),
        ({"search": "zoë#nonsense"}, [5]),
    ],
)
def test_collaborate_filters(
    crowd_api: httpx.Client, query: dict[str, str], expected: list[int]
) -> None:
    """Filters are joined by and, compare in any case; what follows a # is ignored."""
    answer = crowd_api.get("api/3/users", params=query)
    assert ids(answer) == expected
    assert answer.json()["totalcount"] == len(expected)


def test_without_a_status_everyone_is_listed(crowd_api: httpx.Client) -> None:
    """Archived and inactive users are in the list unless one asks for active ones."""
    assert {3, 4} <= set(ids(crowd_api.get("api/3/users")))
    active = crowd_api.get("api/3/users", params={"status": "Active"})
    assert active.json()["totalcount"] == 248


def test_collaborate_orders(crowd_api: httpx.Client) -> None:
    """`orderby` a field, `ordertype` desc turns it; the whole list is sorted, not the page."""
    query = {"orderby": "lastname", "ordertype": "desc", "limit": "1"}
    assert ids(crowd_api.get("api/3/users", params=query)) == [5]
    answer = crowd_api.get("api/3/users", params={"orderby": "email", "limit": "1"})
    assert answer.json()["user"][0]["email"] == "Odd.Mail+tag@Acme.example"


def test_the_collaborate_user_object(highq: Instance, api: httpx.Client) -> None:
    """All documented fields are there; `img` is the avatar's address, `avatar` says if it is own."""
    user = api.get("api/6/users/1").json()
    assert sorted(user) == sorted(COLLABORATE_FIELDS.split())
    assert user["userid"] == 1
    assert user["externalid"] == "ext-1"
    assert user["emaildomain"] == "acme.example"
    assert user["status"] == "ACTIVE"
    assert user["img"] == f"{highq.url}/api/6/users/1/avatar?size=256"
    assert user["avatar"] == "0"
    highq.set_picture_as_user(1, b"picture")
    assert api.get("api/6/users/1").json()["avatar"] == "1"


def test_the_modified_date_moves_with_a_picture(highq: Instance, api: httpx.Client) -> None:
    """A person's own change shows in `modifieddate` (to the minute, no zone)."""
    before = api.get("api/3/users/1").json()["modifieddate"]
    highq.advance_clock(120)
    highq.set_picture_as_user(1, b"picture")
    assert api.get("api/3/users/1").json()["modifieddate"] != before
    assert api.get("api/3/users/2").json()["modifieddate"] == before


def test_the_list_as_xml(crowd_api: httpx.Client) -> None:
    """`users` holds total, totalcount and the `user` elements."""
    answer = crowd_api.get("api/3/users?limit=2", headers={"Accept": "application/xml"})
    root = parse_xml(answer.content)  # noqa: S314  our own server
    assert [child.tag for child in root] == ["total", "totalcount", "user", "user"]
    assert root.findtext("user/address/addressid") == "1"


@pytest.mark.parametrize("path", ["api/3/users", "api/2/users"])
def test_a_list_of_one_may_come_bare(highq: Instance, api: httpx.Client, path: str) -> None:
    """With the knob a single user is no list, and nobody is no field at all."""
    one, nobody = {"search": "p1@acme"}, {"search": "nobody"}
    assert isinstance(api.get(path, params=one).json()["user"], list)
    assert api.get(path, params=nobody).json()["user"] == []
    highq.knobs(single_element="object")
    assert api.get(path, params=one).json()["user"]["email"] == "p1@acme.example"
    assert "user" not in api.get(path, params=nobody).json()
    assert len(api.get(path).json()["user"]) == 6


def test_numbers_may_come_as_text(highq: Instance, api: httpx.Client) -> None:
    """With the knob ids and totals are strings, in both families."""
    highq.knobs(numbers_as_text=True)
    told = api.get("api/3/users?limit=1").json()
    assert (told["total"], told["totalcount"], told["user"][0]["userid"]) == ("1", "6", "1")
    assert api.get("api/2/users?limit=1").json()["user"][0]["id"] == "1"


@pytest.mark.parametrize(
    ("path", "status", "ref"),
    [
        ("api/3/users/1", 200, None),
        ("api/3/users/P1@acme.EXAMPLE?type=email", 200, None),
        ("api/3/users/p1%40acme.example?type=email", 200, None),
        ("api/2/users/1", 200, None),
        ("api/2/users/p1@acme.example", 200, None),
        ("api/3/users/99", 403, 110),
        ("api/3/users/nobody@acme.example?type=email", 403, 110),
        ("api/2/users/99", 403, 110),
        ("api/3/users/p1@acme.example", 400, 113),
        ("api/3/users/one", 400, 113),
    ],
)
def test_one_user(api: httpx.Client, path: str, status: int, ref: int | None) -> None:
    """By id, or by mail address in any case; unknown is 110, no number is 113."""
    answer = api.get(path)
    assert answer.status_code == status
    if ref:
        assert answer.json()["error"]["ref"] == ref


def test_odd_mail_addresses_are_found(crowd_api: httpx.Client) -> None:
    """A plus sign arrives when it is percent-encoded."""
    user = crowd_api.get("api/3/users/odd.mail%2Btag%40acme.example?type=email").json()
    assert user["userid"] == 4


def test_an_unknown_user_may_be_404(highq: Instance, api: httpx.Client) -> None:
    """The knob changes the HTTP status, not the ref."""
    highq.knobs(missing_user_status=404)
    answer = api.get("api/3/users/99")
    assert (answer.status_code, answer.json()["error"]["ref"]) == (404, 110)


@pytest.mark.parametrize(
    ("query", "first", "count"),
    [
        ({}, 1, 200),
        ({"limit": 5, "offset": 10}, 11, 5),
        ({"offset": 240}, 241, 10),
        ({"offset": 250}, None, 0),
        ({"status": "archive"}, 3, 1),
        ({"status": "suspended"}, 4, 1),
        ({"status": "1"}, 3, 1),
        ({"status": "pending"}, None, 0),
        ({"search": "O'HARA"}, 5, 1),
        ({"sort": "-lastname", "limit": 1}, 5, 1),
        ({"sort": "+lastname", "limit": 1}, 9, 1),
        ({"sort": "last login", "limit": 1}, 1, 1),
    ],
)
def test_publisher_pages(
    crowd_api: httpx.Client, query: dict[str, Any], first: int | None, count: int
) -> None:
    """Two hundred by default; an offset past the end is an empty page; `sort` takes + and -."""
    answer = crowd_api.get("api/2/users", params=query)
    found = ids(answer, "id")
    assert len(found) == count
    assert next(iter(found), None) == first


@pytest.mark.parametrize(
    ("query", "ref"),
    [
        ({"offset": "x"}, 106),
        ({"offset": -1}, 106),
        ({"limit": "x"}, 107),
        ({"limit": 0}, 107),
        ({"limit": -1}, 107),
        ({"sort": "shoe size"}, 79),
        ({"status": "asleep"}, 80),
    ],
)
def test_publisher_refuses_odd_values(
    crowd_api: httpx.Client, query: dict[str, Any], ref: int
) -> None:
    """HTTP 400 with the ref of the parameter."""
    answer = crowd_api.get("api/2/users", params=query)
    assert (answer.status_code, answer.json()["error"]["ref"]) == (400, ref)


def test_publisher_fields(highq: Instance, api: httpx.Client) -> None:
    """No `fields`: summaries. `all`: full objects. Names: just these."""

    def first(fields: str) -> Any:
        return api.get("api/2/users", params={"fields": fields, "limit": 1}).json()["user"][0]

    link = f"{highq.url}/api/2/users/1"
    assert first("") == {"id": 1, "email": "p1@acme.example", "link": link}
    full = first("all")
    assert full["name"] == {"firstname": "Bruno", "lastname": "Brown", "title": ""}
    assert full["organisation"]["orgname"] == "Acme LLP"
    assert full["status"] == "active"
    assert first("id,lastname,externalid") == {"id": 1, "lastname": "Brown", "externalid": "ext-1"}
    assert api.get("api/2/users/1").json()["user"] == full
