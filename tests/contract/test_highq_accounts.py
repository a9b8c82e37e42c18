"""The user list, read from the simulator: both families, paging, faults."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.errors import HighQUnavailable
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.people import Account
from testkit.pictures import jpeg, portrait
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people, person
from testkit.simulator.schema import Knobs
from tests.support.highq_session import FastStop, HighQSession

ENDPOINTS = pytest.mark.parametrize("endpoint", list(Endpoint))
PICTURE = jpeg(portrait("P", 1, 320, 320))


def settled(
    simulator: Simulator,
    folder: Path,
    users: int,
    endpoint: Endpoint = Endpoint.AVATAR,
    knobs: Knobs | None = None,
) -> HighQSession:
    """Make an instance of so many users: number 1 is the administrator."""
    staff = people(users)
    staff[0].sysadmin = True
    session = HighQSession.at(
        simulator, simulator.create_instance(users=staff, knobs=knobs), folder
    )
    session.endpoint = endpoint
    return session


def lists(instance: Instance) -> list[str]:
    """Tell the queries of the list requests so far."""
    return [entry.query for entry in instance.audit(operation="list")]


@ENDPOINTS
@pytest.mark.parametrize("knobs", [Knobs(), Knobs(single_element="object", numbers_as_text=True)])
@pytest.mark.parametrize("users", [1, 2])
def test_accounts_are_read_from_either_family(
    simulator: Simulator, tmp_path: Path, endpoint: Endpoint, knobs: Knobs, users: int
) -> None:
    """Number, mail, external id and status, whatever HighQ's mappers make of arrays and numbers."""
    session = settled(simulator, tmp_path, users, endpoint, knobs)
    now = datetime.fromtimestamp(session.instance.now(), UTC).replace(second=0, microsecond=0)
    more = (False, now) if endpoint is Endpoint.AVATAR else (None, None)
    with session.open() as highq:
        assert highq.accounts() == [
            Account(number, True, f"p{number}@acme.example", f"ext-{number}", *more)
            for number in range(1, users + 1)
        ]


@pytest.mark.parametrize(
    ("flag", "pictures"), [("1", [True, False]), ("true", [True, False]), ("none", [None, None])]
)
@pytest.mark.parametrize("date", ["documented", "iso", "epoch", "none"])
def test_who_has_a_picture_and_since_when_is_read_however_it_is_spelled(
    simulator: Simulator, tmp_path: Path, flag: str, pictures: list[bool | None], date: str
) -> None:
    """FillEmpty and Adopt rest on `avatar` and `createddate`; what the list does not say is told as such."""
    knobs = Knobs.model_validate({"avatar_flag": flag, "created_date": date})
    session = settled(simulator, tmp_path, 2, knobs=knobs)
    session.instance.set_picture_as_user(1, PICTURE)
    now = datetime.fromtimestamp(session.instance.now(), UTC)
    with session.open() as highq:
        accounts = highq.accounts()
    assert [account.has_picture for account in accounts] == pictures
    for account in accounts:
        if date == "none":
            assert account.created is None
        else:
            assert account.created
            assert abs(account.created - now) < timedelta(minutes=10)


@pytest.mark.parametrize("knobs", [Knobs(), Knobs(avatar_type="application/octet-stream")])
def test_what_highq_shows_now_can_be_seen(
    simulator: Simulator, tmp_path: Path, knobs: Knobs
) -> None:
    """A picture is asked for where the list says that there is one: else HighQ sends a placeholder."""
    session = settled(simulator, tmp_path, 4, knobs=knobs)
    for number in (2, 3, 4):
        session.instance.set_picture_as_user(number, PICTURE)
    with session.open() as highq:
        accounts = highq.accounts()
        session.instance.remove_user(4)
        session.instance.fail_next("get_avatar", "status", user_id=2)  # asked again
        session.instance.fail_next("get_avatar", "html", status=404, user_id=3)
        shown = highq.shown_avatars(accounts)
    assert set(shown) == {2}
    with Image.open(BytesIO(shown[2])) as image:
        assert image.size == (128, 128)
    asked = {call.path.split("/")[-2] for call in session.instance.audit(operation="get_avatar")}
    assert asked == {"2", "3", "4"}


def test_at_most_500_avatars_are_asked_for(simulator: Simulator, tmp_path: Path) -> None:
    """Each is a call, and the limit is shared; where the list does not say, a placeholder may come."""
    knobs = Knobs(avatar_flag="none", missing_avatar="placeholder")
    session = settled(simulator, tmp_path, 510, knobs=knobs)
    with session.open() as highq:
        shown = highq.shown_avatars(highq.accounts())
    assert set(shown) == set(range(1, 501))
    assert len(session.instance.audit(operation="get_avatar")) == 500


@ENDPOINTS
@pytest.mark.parametrize("status", ["Archived", "Inactive", "Disabled", "pending"])
def test_who_is_not_active_is_listed_as_such(
    simulator: Simulator, tmp_path: Path, endpoint: Endpoint, status: str
) -> None:
    """Leavers are there, for a match must be seen to be theirs, but they get no picture."""
    session = settled(simulator, tmp_path, 2, endpoint)
    session.instance.change_user(2, status=status)
    with session.open() as highq:
        assert [account.active for account in highq.accounts()] == [True, False]


@ENDPOINTS
@pytest.mark.parametrize("users", [1999, 2000, 2001])
def test_a_long_list_is_read_to_its_end_and_no_further(
    simulator: Simulator, tmp_path: Path, endpoint: Endpoint, users: int
) -> None:
    """Collaborate begins anew beyond the end: a list of whole pages must end all the same."""
    session = settled(simulator, tmp_path, users, endpoint)
    with session.open() as highq:
        assert [account.id for account in highq.accounts()] == list(range(1, users + 1))
    assert len(lists(session.instance)) == -(-users // 1000)


@ENDPOINTS
def test_a_list_that_shrinks_while_it_is_read_lacks_nobody(
    simulator: Simulator, tmp_path: Path, endpoint: Endpoint
) -> None:
    """A user deleted on the first page moves another one out of the second: read again."""
    session = settled(simulator, tmp_path, 2100, endpoint)

    def delete_between_pages(turn: int) -> None:
        if turn == 3:  # a refresh, the first page, now the second
            session.instance.remove_user(7)

    session.timing = Timing(stop=FastStop(delete_between_pages))
    with session.open() as highq:
        found = [account.id for account in highq.accounts()]
    assert found == [number for number in range(1, 2101) if number != 7]


def test_a_list_that_keeps_shrinking_ends_the_run(simulator: Simulator, tmp_path: Path) -> None:
    """Three readings, then the next run has a try: half a list would mean half the people."""
    session = settled(simulator, tmp_path, 1100)

    def delete_each_time(turn: int) -> None:
        if turn > 2:
            session.instance.remove_user(turn)

    session.timing = Timing(stop=FastStop(delete_each_time))
    with session.open() as highq, pytest.raises(HighQUnavailable, match="changed while it was"):
        highq.accounts()


@ENDPOINTS
def test_the_number_of_accounts_costs_one_small_call(
    simulator: Simulator, tmp_path: Path, endpoint: Endpoint
) -> None:
    """People who wait for an account are looked for only when somebody new came."""
    session = settled(simulator, tmp_path, 5, endpoint)
    with session.open() as highq:
        assert highq.account_total() == 5
        session.instance.add_users([person(6)])
        assert highq.account_total() == 6
    assert [query.split("&")[0] for query in lists(session.instance)] == ["limit=1"] * 2


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "times": 2},
        {"kind": "status", "status": 500, "ref": 399},
        {"kind": "html", "status": 502},
        {"kind": "html", "status": 200},
        {"kind": "cut"},
        {"kind": "truncate"},
        {"kind": "drip", "seconds": 0.5},
        {"kind": "stall", "seconds": 30},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_what_goes_wrong_on_the_way_is_asked_again(
    simulator: Simulator, tmp_path: Path, fault: dict[str, object]
) -> None:
    """Gateways and networks have bad moments; a list is whole or it is none."""
    session = settled(simulator, tmp_path, 3)
    session.timing = replace(session.timing, read_timeout=2, response_timeout=2)
    session.instance.fail_next("list", **fault)  # type: ignore[arg-type]  # a table of keywords
    with session.open() as highq:
        assert len(highq.accounts()) == 3
    assert session.instance.pending_faults() == []
    assert len(lists(session.instance)) > 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "status", "status": 503}, r"answers api/3/users with HTTP 503"),
        ({"kind": "status", "status": 400, "ref": 107}, "with HTTP 400, ref 107"),
        ({"kind": "malformed"}, r"answer of .* \(HTTP 200\) cannot be read"),
        ({"kind": "malformed", "body": '{"status": "ok"}'}, "with something else"),
        ({"kind": "html", "status": 404}, r"with HTTP 404 with a web page; check spec\.highq\.url"),
        ({"kind": "html", "status": 200}, "with HTTP 200"),
        ({"kind": "cut"}, "connection to .* was cut"),
    ],
)
def test_what_stays_wrong_ends_the_run(
    simulator: Simulator, tmp_path: Path, fault: dict[str, object], words: str
) -> None:
    """The message tells what came instead, and never quotes it."""
    session = settled(simulator, tmp_path, 3)
    session.instance.fail_next("list", times=100, **fault)  # type: ignore[arg-type]  # as above
    with session.open() as highq, pytest.raises(HighQUnavailable, match=words) as caught:
        highq.accounts()
    assert "<" not in str(caught.value)
    session.instance.clear_faults()
