"""`authorize`: its own process, the simulator's consent, and a real browser."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people
from testkit.simulator.schema import ClientSettings
from tests.support.authorizing import authorizing, sent_back
from tests.support.highq_session import HighQSession
from tests.unit.cli.command import command


@pytest.fixture
def instance(simulator: Simulator) -> Instance:
    """Give an instance with an administrator."""
    return simulator.create_instance(users=people(3), clients=[ClientSettings()])


def test_a_click_on_allow_ends_with_a_secret_that_works(
    simulator: Simulator, browser: Browser, tmp_path: Path
) -> None:
    """Open the address, click, done: the printed Secret holds an authorisation of its own."""
    instance = simulator.create_instance(clients=[ClientSettings(consent_screen=True)])
    with authorizing(simulator, instance) as waiting:
        page = browser.new_page(ignore_https_errors=True)
        page.set_default_timeout(300_000)
        page.goto(waiting.address)
        page.get_by_role("button", name="Allow").click()
        page.get_by_role("heading", name="Done").wait_for()
        shown = page.inner_text("body")
        code, output, errors = waiting.finished()
    assert code == 0, errors
    assert "go back to the terminal" in shown
    secret = json.loads(output)
    assert (secret["kind"], secret["metadata"]["name"]) == ("Secret", "highq-oauth")
    assert set(secret["stringData"]) == {"clientId", "clientSecret", "refreshToken"}
    session = HighQSession.at(simulator, instance, tmp_path / "tokens")
    session.replace_seed(secret["stringData"]["refreshToken"])
    with session.open() as highq:
        assert highq.account_total() == 1


def test_no_secret_is_shown_but_in_the_result(simulator: Simulator, instance: Instance) -> None:
    """Not in the messages, not in the arguments, not in the environment of the process."""
    with authorizing(simulator, instance) as waiting:
        proc = Path("/proc") / str(waiting.process.pid)
        seen = (proc / "cmdline").read_text() + (proc / "environ").read_text() + waiting.address
        httpx.get(sent_back(simulator, waiting.address), trust_env=False)
        code, output, errors = waiting.finished()
    assert code == 0, errors
    for value in json.loads(output)["stringData"].values():
        if value != instance.clients[0].client_id:
            assert value not in seen + errors


def test_files_are_for_their_owner_only(
    simulator: Simulator, instance: Instance, tmp_path: Path
) -> None:
    """`--out` makes what `sync --secret NAME=DIR` reads; nothing is printed."""
    folder = tmp_path / "secrets" / "highq-oauth"
    with authorizing(simulator, instance, "--out", folder) as waiting:
        httpx.get(sent_back(simulator, waiting.address), trust_env=False)
        code, output, errors = waiting.finished()
    assert (code, output) == (0, ""), errors
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert files == {"clientId": 0o600, "clientSecret": 0o600, "refreshToken": 0o600}
    assert (folder / "clientSecret").read_text() == instance.clients[0].client_secret


def test_a_wrong_state_is_refused_and_we_wait_on(simulator: Simulator, instance: Instance) -> None:
    """Somebody else's redirect must not give us somebody else's authorisation; HighQ sends none."""
    with authorizing(simulator, instance) as waiting:
        assert "state=" in waiting.address
        forged = httpx.get(f"{waiting.redirect}?code=x&state=other", trust_env=False)
        favicon = httpx.get(f"{waiting.redirect}favicon.ico", trust_env=False)
        assert (forged.status_code, favicon.status_code) == (400, 404)
        location = sent_back(simulator, waiting.address)
        assert "state" not in location
        assert httpx.get(location, trust_env=False).status_code == 200
        code, _, errors = waiting.finished()
        with pytest.raises(httpx.ConnectError):  # once, while we wait
            httpx.get(location, trust_env=False)
    assert code == 0, errors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("user", "is no system administrator"),
        ("code", "refuses the code .*run authorize again"),
        ("secret", "refuses the client .*client secret"),
    ],
)
def test_what_goes_wrong_is_told_with_its_remedy(
    simulator: Simulator, instance: Instance, change: str, words: str
) -> None:
    """Exit code 20: a person must act."""
    if change == "user":
        instance.knobs(browser_user=2)
    secret = "wrong" if change == "secret" else None
    with authorizing(simulator, instance, secret=secret) as waiting:
        location = sent_back(simulator, waiting.address)
        if change == "code":
            location = f"{waiting.redirect}?code=spent"
        httpx.get(location, trust_env=False)
        code, output, errors = waiting.finished()
    assert (code, output) == (20, "")
    assert re.search(words, errors)


@pytest.mark.parametrize("redirect", ["https://localhost/", "http://acme.example/"])
def test_a_redirect_elsewhere_needs_paste(
    simulator: Simulator, instance: Instance, redirect: str
) -> None:
    """We can listen on this machine only; the address can be pasted instead."""
    command = [sys.executable, "-m", "profile_image_sync", "authorize", "--url", instance.url]
    command += ["--client-id", "1012", "--redirect", redirect, "--ca", str(simulator.ca_file)]
    done = subprocess.run(
        command, input="secret\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 20
    assert "use --paste" in done.stderr


def test_the_redirected_address_can_be_pasted(simulator: Simulator, instance: Instance) -> None:
    """Where nobody can listen: the page does not exist, its address counts."""
    with authorizing(simulator, instance, "--paste", "--redirect", "https://localhost/") as waiting:
        assert waiting.process.stdin
        waiting.process.stdin.write(sent_back(simulator, waiting.address) + "\n")
        waiting.process.stdin.flush()
        code, output, errors = waiting.finished()
    assert code == 0, errors
    assert json.loads(output)["stringData"]["refreshToken"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--apply", "--out", "x"), "give --apply or --out, not both"),
        (("-n", "x"), "go with --apply"),
        (("--replace",), "go with --apply"),
    ],
    ids=["two places", "a namespace for nothing", "a replacement of nothing"],
)
def test_options_that_contradict_each_other_are_told(options: tuple[str, ...], words: str) -> None:
    """Before the client secret is asked for."""
    done = command(
        "authorize", "--url", "https://acme.highq.com/acme", "--client-id", "1", *options
    )
    assert done.exit_code == 2
    assert words in done.errors
