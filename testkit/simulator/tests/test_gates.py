"""What every call passes: token, address, role, rate; and the form of answers and errors."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from math import ceil
from xml.etree.ElementTree import fromstring as parse_xml

import httpx
import pytest

from testkit.pictures import png, portrait
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people
from testkit.simulator.schema import ClientSettings

Connect = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def picture() -> bytes:
    """Give a picture HighQ takes."""
    return png(portrait("AB", 1, 256, 256))


def outcome(answer: httpx.Response) -> tuple[int, int | None]:
    """Read HTTP status and ref."""
    return answer.status_code, answer.json()["error"].get("ref")


@pytest.mark.parametrize("header", [None, "Bearer made-up", "Basic abc", "Bearer"])
def test_without_a_known_token_nobody_enters(
    highq: Instance, connect: Connect, header: str | None
) -> None:
    """No token, an unknown one or another scheme: 401 with ref 401."""
    headers = {"Authorization": header} if header else {}
    assert outcome(connect(highq).get("api/3/users", headers=headers)) == (401, 401)


@pytest.mark.parametrize("kind", ["refresh_token", "client_secret"])
def test_other_secrets_are_no_access_tokens(highq: Instance, connect: Connect, kind: str) -> None:
    """A refresh token or the client's secret opens nothing."""
    secret = getattr(highq.credentials, kind)
    assert outcome(connect(highq, secret).get("api/3/users")) == (401, 401)


def test_a_token_of_another_instance_is_unknown(
    highq: Instance, simulator: Simulator, connect: Connect
) -> None:
    """Credentials belong to one instance."""
    other = simulator.create_instance().tokens().access_token
    assert outcome(connect(highq, other).get("api/3/users")) == (401, 401)


def test_the_api_may_be_off(highq: Instance, api: httpx.Client) -> None:
    """403 with ref 51."""
    highq.knobs(api_enabled=False)
    assert outcome(api.get("api/3/users")) == (403, 51)


def test_a_registration_may_list_addresses(simulator: Simulator, connect: Connect) -> None:
    """Calls from elsewhere: 401 with ref 53."""
    client = ClientSettings(allowed_addresses=["127.0.0.8/30"])
    highq = simulator.create_instance(clients=[client])
    token = highq.tokens().access_token
    assert outcome(connect(highq, token).get("api/3/users")) == (401, 53)
    assert connect(highq, token, "127.0.0.9").get("api/3/users").status_code == 200


@pytest.mark.parametrize("version", [2, 3, 6])
def test_only_administrators_list_users(highq: Instance, connect: Connect, version: int) -> None:
    """Anyone else: 403 with ref 123."""
    highq.knobs(browser_user=1)
    api = connect(highq, highq.tokens().access_token)
    assert outcome(api.get(f"api/{version}/users")) == (403, 123)


def test_others_pictures_are_for_administrators(
    highq: Instance, connect: Connect, picture: bytes
) -> None:
    """An ordinary user may set the own picture only, and is then who set it."""
    highq.knobs(browser_user=1)
    api = connect(highq, highq.tokens().access_token)
    files = {"file": ("a.png", picture, "image/png")}
    headers = {"Content-Type": "image/png"}
    assert outcome(api.post("api/5/users/2/avatar", files=files)) == (403, 123)
    refused = api.post("api/2/users/2/profileimage", content=picture, headers=headers)
    assert outcome(refused) == (403, 123)
    assert api.post("api/5/users/1/avatar", files=files).status_code == 200
    facts = highq.picture_facts(1)
    assert facts
    assert facts.set_by == "person"
    assert highq.picture(2) is None


@pytest.mark.parametrize(
    ("path", "accept", "form"),
    [
        ("api/3/users", "application/json", "json"),
        ("api/3/users", "application/xml", "xml"),
        ("api/3/users", "text/xml;q=0.9, application/json", "xml"),
        ("api/3/users", "*/*", "xml"),
        ("api/6/users/1", "*/*", "xml"),
        ("api/2/users", "*/*", "json"),
        ("api/2/users", "application/xml", "xml"),
        ("api/2/users/1", "*/*", "json"),
        ("api/3/users/99", "*/*", "xml"),
        ("api/2/users/99", "*/*", "json"),
    ],
)
def test_the_form_is_chosen_by_accept(api: httpx.Client, path: str, accept: str, form: str) -> None:
    """JSON or XML as asked; else XML for Collaborate's paths and JSON for Publisher's."""
    answer = api.get(path, headers={"Accept": accept})
    assert answer.headers["content-type"] == f"application/{form}"
    if form == "json":
        answer.json()
    else:
        parse_xml(answer.content)  # noqa: S314  our own server


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_knob_sets_the_default_form(highq: Instance, api: httpx.Client, form: str) -> None:
    """Both families then answer alike when nothing is asked."""
    highq.knobs(default_format=form)
    for path in ("api/2/users", "api/3/users"):
        answer = api.get(path, headers={"Accept": "*/*"})
        assert answer.headers["content-type"] == f"application/{form}"


def test_errors_carry_a_running_number(highq: Instance, api: httpx.Client) -> None:
    """Summary, ref and a link whose number HighQ's support can look up, in both forms."""
    first = api.get("api/3/users/99").json()["error"]
    assert set(first) == {"summary", "ref", "link"}
    base, number = first["link"].rsplit("/", 1)
    assert base == f"{highq.url}/api/2/error"
    second = parse_xml(api.get("api/3/users/99", headers={"Accept": "text/xml"}).content)  # noqa: S314  our own server
    assert second.tag == "error"
    assert second.findtext("ref") == "110"
    assert second.findtext("link") == f"{base}/{int(number) + 1}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "api/3/sites"),
        ("DELETE", "api/5/users/1/avatar"),
        ("PUT", "api/2/users/1"),
        ("POST", "api/4/users/1/avatar"),
        ("POST", "api/1/users/1/profileimage"),
    ],
)
def test_unknown_calls_get_a_page(
    highq: Instance, api: httpx.Client, method: str, path: str
) -> None:
    """What the API does not have is answered by the server below it; the audit knows."""
    answer = api.request(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    (entry,) = highq.audit()
    assert (entry.operation, entry.method, entry.verdict) == ("unknown", method, "refused")


def test_an_unknown_instance_gets_a_page(simulator: Simulator, api: httpx.Client) -> None:
    """Another path on the same host is nobody's."""
    assert api.get(f"{simulator.url}/nobody/api/3/users").status_code == 404


def test_the_rate_limit_is_a_fixed_window(highq: Instance, api: httpx.Client) -> None:
    """Ten calls a minute: the eleventh gets 429, the time of the reset, and no ref."""
    highq.knobs(rate_limit=10, rate_window=60)
    opened = highq.now()
    assert [api.get("api/3/users/1").status_code for _ in range(10)] == [200] * 10
    highq.advance_clock(50)
    answer = api.get("api/3/users/1")
    assert answer.status_code == 429
    reset = int(answer.headers["X-Ratelimit-Reset"])
    assert ceil(opened + 60) <= reset <= ceil(opened + 65)
    assert answer.json() == {"error": {"summary": "The user API call limit has exceeded"}}
    highq.advance_clock(10)
    assert api.get("api/3/users/1").status_code == 200
    told = parsedate_to_datetime(api.get("api/3/users/1").headers["date"]).timestamp()
    assert abs(told - highq.now()) < 5  # the Date header is on the moved clock, too


def test_the_rate_limit_is_per_token_and_address(highq: Instance, connect: Connect) -> None:
    """Another token, or the same from another address, has a window of its own."""
    highq.knobs(rate_limit=1)
    first, second = highq.tokens().access_token, highq.tokens().access_token
    clients = [connect(highq, first), connect(highq, second), connect(highq, first, "127.0.0.9")]
    for status in (200, 429):
        assert [api.get("api/3/users/1").status_code for api in clients] == [status] * 3


def test_uploads_count_for_the_rate_limit(
    highq: Instance, api: httpx.Client, picture: bytes
) -> None:
    """A picture over the limit is not taken."""
    highq.knobs(rate_limit=1)
    files = {"file": ("a.png", picture, "image/png")}
    statuses = [api.post(f"api/5/users/{n}/avatar", files=files).status_code for n in (1, 2)]
    assert statuses == [200, 429]
    assert [entry.user_id for entry in highq.uploads()] == [1]


def test_instances_know_nothing_of_each_other(simulator: Simulator, connect: Connect) -> None:
    """Users, knobs and audit are each instance's own."""
    one = simulator.create_instance(users=people(1))
    two = simulator.create_instance(users=people(2))
    one.knobs(api_enabled=False)
    answer = connect(two, two.tokens().access_token).get("api/3/users").json()
    assert answer["totalcount"] == 3  # and the administrator
    assert one.audit() == []
