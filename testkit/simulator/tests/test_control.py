"""The control plane, the audit, kept data, the process, and the pages people look at."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from testkit.pictures import jpeg, png, portrait
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people, person
from testkit.simulator.schema import ClientSettings
from testkit.waiting import wait_for

Connect = Callable[..., httpx.Client]

PICTURE = jpeg(portrait("AB", 1, 300, 300))
OTHER = png(portrait("CD", 2, 256, 256))


def post(api: httpx.Client, user: int = 1) -> httpx.Response:
    """Upload a good picture."""
    return api.post(f"api/5/users/{user}/avatar", files={"file": ("a.jpg", PICTURE, "image/jpeg")})


def test_the_audit_tells_every_call(highq: Instance, api: httpx.Client) -> None:
    """Numbered and timed, with the picture's MD5; one can ask for a part, and start over."""
    api.get("api/3/users", params={"limit": 1})
    post(api, 2)
    api.get("api/3/users/99")
    first, second, third = highq.audit()
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert (first.operation, first.query, first.verdict) == ("list", "limit=1", "answered")
    assert (second.operation, second.user_id, second.content_type) == ("avatar", 2, "image/jpeg")
    assert second.path == f"/{highq.name}/api/5/users/2/avatar"
    assert (third.status, third.ref, third.verdict) == (403, 110, "refused")
    assert abs(third.at - highq.now()) < 60
    assert highq.audit(after=1, operation="user") == [third]
    highq.reset_audit()
    assert highq.uploads() == []
    api.get("api/3/users")
    assert [entry.sequence for entry in highq.audit()] == [4]


def test_the_audit_tells_no_secret(highq: Instance, api: httpx.Client) -> None:
    """Tokens are told by number: never codes, tokens or the client's secret."""
    credentials = highq.authorise()
    token = highq.tokens()
    api.get("api/3/users", headers={"Authorization": f"Bearer {token.access_token}"})
    told = "".join(entry.model_dump_json() for entry in highq.audit())
    assert "code=" not in told
    for secret in (
        credentials.client_secret,
        credentials.refresh_token,
        *token.model_dump().values(),
    ):
        assert secret not in told
    assert highq.audit()[-1].token


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "api/3/users/1"),
        ("DELETE", "api/5/users/1/avatar"),
        ("PUT", "api/3/users/1"),
        ("POST", "api/3/groups"),
        ("GET", "sitehome.action"),
        ("GET", "authorize.action"),
    ],
)
def test_calls_that_a_sync_never_makes_are_told_from_its_own(
    highq: Instance, api: httpx.Client, method: str, path: str
) -> None:
    """Rule 12: "Nothing but pictures is touched in HighQ": the audit shows every other call."""
    api.get("api/3/users")
    api.get("api/5/users/1/avatar")
    post(api)
    assert highq.foreign_calls() == []
    api.request(method, path)
    assert [(one.method, one.path) for one in highq.foreign_calls()] == [
        (method, f"/{highq.name}/{path}")
    ]


def test_a_person_changes_the_own_picture(highq: Instance, api: httpx.Client) -> None:
    """That is no API call, and shows who did it; the picture can be taken away again."""
    post(api, 1)
    highq.reset_audit()
    highq.set_picture_as_user(1, OTHER)
    facts = highq.picture_facts(1)
    assert facts
    assert facts.set_by == "person"
    assert highq.picture(1) == OTHER
    assert highq.audit() == []
    highq.clear_picture(1)
    assert (highq.picture(1), highq.picture_facts(1)) == (None, None)


def test_users_come_and_change_and_go(highq: Instance, api: httpx.Client) -> None:
    """As they do in HighQ between runs; a user may bring an own picture."""
    highq.add_users([person(7, picture=OTHER), person(8)])
    assert highq.picture(7) == OTHER
    highq.change_user(8, email="new@acme.example", status="Archived")
    user = api.get("api/3/users/new@acme.example?type=email").json()
    assert (user["userid"], user["status"], user["externalid"]) == (8, "ARCHIVED", "ext-8")
    highq.remove_user(7)
    assert api.get("api/3/users/7").status_code == 403
    assert api.get("api/3/users").json()["totalcount"] == 7


def test_unknown_words_are_errors(highq: Instance) -> None:
    """A knob, a field or a fault that does not exist is no silent no-op."""
    with pytest.raises(ValueError, match="rate_limt"):
        highq.knobs(rate_limt=1)
    with pytest.raises(ValueError, match="shoesize"):
        highq.change_user(1, shoesize="44")
    with pytest.raises(ValueError, match="explode"):
        highq.fail_next("any", "explode")
    with pytest.raises(ValueError, match="no such instance"):
        highq.change_user(99, status="Archived")


def test_an_instance_is_made_anew(simulator: Simulator, connect: Connect) -> None:
    """Under the same name there is then another one: other users, other tokens."""
    before = simulator.create_instance("twice", users=people(3)).tokens()
    after = simulator.create_instance("twice", users=people(1))
    assert connect(after, before.access_token).get("api/3/users").status_code == 401
    api = connect(after, after.tokens().access_token)
    assert api.get("api/3/users").json()["totalcount"] == 2


def test_kept_data_survive_a_restart(tmp_path: Path) -> None:
    """Users, pictures, tokens, knobs, clock and audit; the seed does not come back over them."""
    client = ClientSettings(client_id="77", client_secret="s" * 32, refresh_token="first")
    seed = tmp_path / "seed.json"
    users = [json.loads(one.model_dump_json()) for one in (person(1, picture=OTHER), person(2))]
    instance = {"name": "acme", "users": users, "clients": [client.model_dump()]}
    seed.write_text(json.dumps({"instances": [instance]}))
    kept = tmp_path / "data"
    with Simulator.start(tmp_path=tmp_path, data=kept, seed=seed) as running:
        highq = running.instance("acme")
        assert highq.credentials == ("77", "s" * 32, "first")
        assert highq.picture(1) == OTHER
        token = highq.tokens().access_token
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as api:
            files = {"file": ("a.jpg", PICTURE, "image/jpeg")}
            api.post(f"{highq.url}/api/5/users/2/avatar", files=files).raise_for_status()
        highq.change_user(1, lastname="Renamed")
        highq.knobs(rate_limit=1000)
        highq.advance_clock(3600)
    with Simulator.start(tmp_path=tmp_path, data=kept, seed=seed) as running:
        highq = running.instance("acme")
        assert (highq.picture(1), highq.picture(2)) == (OTHER, PICTURE)
        assert highq.knobs().rate_limit == 1000
        assert [entry.user_id for entry in highq.uploads()] == [2]
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as api:
            query = {"lastname": "renamed"}
            found = api.get(
                f"{highq.url}/api/3/users", params=query, headers={"Accept": "application/json"}
            )
            assert found.json()["totalcount"] == 1
        assert [entry.sequence for entry in highq.audit()] == [1, 2]


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    """Exit code 0, at once, also with a call that hangs; nothing in the log but that."""
    running = Simulator.start(tmp_path=tmp_path)
    highq = running.create_instance()
    highq.fail_next("any", "stall", seconds=60)
    address = urlsplit(running.url)
    with socket.create_connection((address.hostname, address.port)) as caller:
        caller.sendall(f"GET /{highq.name}/api/3/users HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_for("the call", lambda: not highq.pending_faults())
        os.kill(running.pid, signal.SIGTERM)
        assert running.stop() == 0
    assert "Traceback" not in (tmp_path / "simulator.log").read_text()


def test_a_wrong_seed_is_told_at_the_start(tmp_path: Path) -> None:
    """A field that does not exist ends the start with its name."""
    seed = tmp_path / "seed.json"
    seed.write_text('{"instances": [{"name": "acme", "colour": "red"}]}')
    command = [sys.executable, "-m", "testkit.simulator", "--seed", str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "colour" in ended.stderr


def test_the_people_page_shows_everyone(highq: Instance, api: httpx.Client) -> None:
    """Name, mail, picture and who set it last; nothing of the page comes from elsewhere."""
    post(api, 1)
    highq.set_picture_as_user(2, OTHER)
    highq.change_user(3, lastname="<script>alert(1)</script>", status="Archived")
    page = api.get(f"{highq.url}/people")
    assert page.headers["content-type"].startswith("text/html")
    text = page.text
    assert "Bruno Brown" in text
    assert "p5@acme.example" in text
    assert text.count("Set by sync") == text.count("Set by the person") == 1
    assert text.count("No picture") == 4
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text
    picture = api.get(f"{highq.url}/people/1/picture")
    assert picture.headers["content-type"] == "image/jpeg"
    assert api.get(f"{highq.url}/people/4/picture").headers["content-type"] == "image/png"
    assert [entry.operation for entry in highq.audit()] == ["avatar"]  # pages are no API calls


def test_the_people_page_can_be_searched_and_turned(
    simulator: Simulator, api: httpx.Client
) -> None:
    """Two hundred a page; a search by name or mail address."""
    many = simulator.create_instance(users=people(450))
    first = api.get(f"{many.url}/people").text
    assert first.count("<article") == 200
    assert "Page 1 of 3" in first
    assert api.get(f"{many.url}/people?page=3").text.count("<article") == 51
    assert api.get(f"{many.url}/people?q=p44").text.count("<article") == 11
    assert "Nobody found" in api.get(f"{many.url}/people?q=zzz").text
    assert api.get(f"{simulator.url}/nobody/people").status_code == 404


def test_the_front_page_lists_the_instances(
    simulator: Simulator, highq: Instance, api: httpx.Client
) -> None:
    """With a link to each one's people."""
    assert f'href="/{highq.name}/people"' in api.get(f"{simulator.url}/").text
