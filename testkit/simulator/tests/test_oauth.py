"""OAuth2: the browser's way, codes, pairs, rotation, lifetimes."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import fromstring as parse_xml

import httpx
import pytest

from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import person
from testkit.simulator.schema import ClientSettings

Connect = Callable[..., httpx.Client]

YEAR = 31_536_000
CALLBACK = "https://tool.example/back?from=highq"


def ask(api: httpx.Client, highq: Instance, **fields: str) -> httpx.Response:
    """Ask for a token with the right client, unless `fields` say otherwise."""
    form = {
        "client_id": highq.credentials.client_id,
        "client_secret": highq.credentials.client_secret,
    }
    return api.post("api/oauth2/token", data=form | fields)


def refresh(api: httpx.Client, highq: Instance, token: str) -> httpx.Response:
    """Ask for a new pair with a refresh token."""
    return ask(api, highq, grant_type="refresh_token", refresh_token=token)


def code(api: httpx.Client, highq: Instance) -> str:
    """Go through the browser's part and read the code."""
    query = {"response_type": "code", "client_id": highq.credentials.client_id, "state": "mine"}
    answer = api.get("authorize.action", params=query | {"redirect_uri": CALLBACK})
    assert answer.status_code == 302
    sent_to = parse_qs(urlsplit(answer.headers["location"]).query)
    assert set(sent_to) == {"from", "code"}  # no state
    return sent_to["code"][0]


def works(api: httpx.Client, token: str) -> int:
    """Use an access token; return the HTTP status."""
    headers = {"Authorization": f"Bearer {token}"}
    return api.get("api/3/users", params={"limit": 1}, headers=headers).status_code


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "9999"},
        {"response_type": "token"},
        {"redirect_uri": "https://elsewhere.example/"},
        {"redirect_uri": None},
    ],
)
def test_authorising_refuses_what_is_not_registered(
    simulator: Simulator, connect: Connect, change: dict[str, str | None]
) -> None:
    """An unknown client or another address than the registered one gets a page, and no code."""
    address = "" if change == {"redirect_uri": None} else CALLBACK
    highq = simulator.create_instance(clients=[ClientSettings(redirect_uri=address)])
    query = {"response_type": "code", "client_id": "1012", "redirect_uri": CALLBACK} | change
    sent = {name: value for name, value in query.items() if value is not None}
    answer = connect(highq).get("authorize.action", params=sent)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")


def test_the_registered_address_is_used_when_none_is_given(
    simulator: Simulator, connect: Connect
) -> None:
    """The code goes to the address of the registration."""
    highq = simulator.create_instance(clients=[ClientSettings(redirect_uri=CALLBACK)])
    query = {"response_type": "code", "client_id": "1012"}
    answer = connect(highq).get("authorize.action", params=query)
    assert answer.headers["location"].startswith(CALLBACK + "&code=")


def test_a_code_gives_one_pair(highq: Instance, api: httpx.Client) -> None:
    """The answer has all documented fields; the code is spent."""
    fields = {"grant_type": "authorization_code", "code": code(api, highq)}
    answer = ask(api, highq, **fields)
    told = answer.json()
    assert answer.status_code == 200
    assert told["token_type"] == "bearer"
    assert told["useremail"] == "p6@acme.example"
    assert (told["expires_in"], told["refresh_token_expires_in"]) == (18_000, YEAR)
    assert works(api, told["access_token"]) == 200
    assert ask(api, highq, **fields).json() == {"error": "invalid_grant"}


def test_a_code_lives_half_an_hour(highq: Instance, api: httpx.Client) -> None:
    """After 30 minutes the administrator must authorise anew."""
    in_time, late = code(api, highq), code(api, highq)
    highq.advance_clock(1790)
    assert ask(api, highq, grant_type="authorization_code", code=in_time).status_code == 200
    highq.advance_clock(20)
    assert ask(api, highq, grant_type="authorization_code", code=late).status_code == 400


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_id": "9999"}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "made up"}, 400, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "made up"}, 400, "invalid_grant"),
    ],
)
def test_bad_token_requests_are_refused(
    highq: Instance, api: httpx.Client, fields: dict[str, str], status: int, error: str
) -> None:
    """400 for a bad grant, 401 for a bad client, in RFC 6749's words or in HighQ's."""
    answer = ask(api, highq, **fields)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    highq.knobs(token_error_body="highq")
    answer = ask(api, highq, **fields)
    assert (answer.status_code, answer.json()["error"]["summary"]) == (status, error)


def test_a_token_of_another_client_is_refused(simulator: Simulator, connect: Connect) -> None:
    """A refresh token works only for the client it was made for."""
    mine, other = ClientSettings(), ClientSettings(client_id="1013")
    highq = simulator.create_instance(clients=[mine, other])
    assert refresh(connect(highq), highq, other.refresh_token).status_code == 400


def test_tokens_are_asked_for_by_form_only(highq: Instance, api: httpx.Client) -> None:
    """A JSON body is not understood."""
    form = {"grant_type": "refresh_token", **highq.credentials._asdict()}
    assert api.post("api/oauth2/token", json=form).status_code == 400
    assert api.post("api/oauth2/token", data=form).status_code == 200
    assert api.get("api/oauth2/token", params=form).status_code == 404


def test_the_token_answer_comes_as_xml_on_request(highq: Instance, api: httpx.Client) -> None:
    """`Accept: application/xml` gets a TokenResponse; without Accept it is JSON."""
    first = highq.tokens().refresh_token
    api.headers["Accept"] = "application/xml"
    answer = refresh(api, highq, first)
    root = parse_xml(answer.content)  # noqa: S314  our own server
    assert root.tag == "TokenResponse"
    assert root.findtext("expires_in") == "18000"
    api.headers["Accept"] = "*/*"
    assert refresh(api, highq, root.findtext("refresh_token", "")).json()["token_type"] == "bearer"


def test_a_refresh_kills_the_old_pair(highq: Instance, api: httpx.Client) -> None:
    """Each refresh token works once, and its access token goes with it."""
    old = highq.tokens()
    assert works(api, old.access_token) == 200
    new = refresh(api, highq, old.refresh_token).json()
    assert refresh(api, highq, old.refresh_token).json() == {"error": "invalid_grant"}
    assert works(api, old.access_token) == 401
    assert works(api, new["access_token"]) == 200
    assert refresh(api, highq, new["refresh_token"]).status_code == 200


def test_knobs_let_the_old_pair_live(highq: Instance, api: httpx.Client) -> None:
    """With grace a used refresh token works a while; old access tokens may stay valid."""
    highq.knobs(refresh_grace=60, old_access_stays_valid=True)
    old = highq.tokens()
    assert refresh(api, highq, old.refresh_token).status_code == 200
    assert refresh(api, highq, old.refresh_token).status_code == 200
    assert works(api, old.access_token) == 200
    highq.advance_clock(61)
    assert refresh(api, highq, old.refresh_token).status_code == 400


def test_access_tokens_run_out(highq: Instance, api: httpx.Client) -> None:
    """After five hours the answer is 403 with ref 123; a knob makes it 401."""
    highq.advance_clock(17_990)
    assert api.get("api/3/users").status_code == 200
    highq.advance_clock(20)
    answer = api.get("api/3/users")
    assert (answer.status_code, answer.json()["error"]["ref"]) == (403, 123)
    highq.knobs(expired_status=401)
    answer = api.get("api/3/users")
    assert (answer.status_code, answer.json()["error"]["ref"]) == (401, 401)


def test_refresh_tokens_run_out(highq: Instance, api: httpx.Client) -> None:
    """After a year an administrator must authorise again."""
    highq.advance_clock(YEAR - 10)
    assert refresh(api, highq, highq.tokens().refresh_token).status_code == 200
    highq.advance_clock(20)
    assert refresh(api, highq, highq.credentials.refresh_token).status_code == 400


def test_lifetimes_are_the_registrations(simulator: Simulator, connect: Connect) -> None:
    """The answer tells the lifetimes that were registered, and they hold."""
    short = ClientSettings(access_lifetime=1800, refresh_lifetime=172_800)
    highq = simulator.create_instance(clients=[short])
    api = connect(highq)
    told = refresh(api, highq, highq.credentials.refresh_token).json()
    assert (told["expires_in"], told["refresh_token_expires_in"]) == (1800, 172_800)
    highq.advance_clock(1801)
    assert works(api, told["access_token"]) == 403


def test_tokens_can_run_out_or_be_revoked_from_outside(highq: Instance, api: httpx.Client) -> None:
    """Tests need not move the clock: tokens run out (403) or are forgotten (401)."""
    highq.expire_tokens("access")
    assert api.get("api/3/users").status_code == 403
    highq.revoke_tokens("access")
    assert api.get("api/3/users").status_code == 401
    assert refresh(api, highq, highq.credentials.refresh_token).status_code == 200
    left = highq.tokens().refresh_token
    highq.revoke_tokens("both")
    assert refresh(api, highq, left).status_code == 400


def test_the_real_flow_and_the_shortcut_end_alike(highq: Instance, api: httpx.Client) -> None:
    """`authorise` goes by browser, code and token; the credentials work like those of a seed."""
    for credentials in (highq.authorise(), highq.credentials):
        answer = refresh(api, highq, credentials.refresh_token)
        assert works(api, answer.json()["access_token"]) == 200


def test_the_token_acts_as_who_sat_at_the_browser(simulator: Simulator, connect: Connect) -> None:
    """An ordinary user can authorise, too; the token is then an ordinary user's."""
    highq = simulator.create_instance(users=[person(1), person(2, sysadmin=True)])
    highq.knobs(browser_user=1)
    api = connect(highq)
    told = refresh(api, highq, highq.authorise().refresh_token).json()
    assert told["useremail"] == "p1@acme.example"
    assert works(api, told["access_token"]) == 403
