"""`authorize`: its own process, the simulator's consent, and a real browser."""

from __future__ import annotations

import json
import re
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people
from testkit.simulator.schema import ClientSettings
from tests.support.highq_session import HighQSession
from tests.support.tinyproxy import free_port

CHROMIUM = "/usr/bin/chromium"
BROWSER = (
    *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"),
    *("--ignore-certificate-errors", "--no-proxy-server"),
)


@dataclass
class Authorizing:
    """A running `authorize` that waits for the browser."""

    process: subprocess.Popen[str]
    instance: Instance
    redirect: str
    address: str

    def finished(self) -> tuple[int, str, str]:
        """Wait; return exit code, output and errors."""
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


@contextmanager
def authorizing(
    simulator: Simulator, instance: Instance, *options: str | Path, secret: str | None = None
) -> Iterator[Authorizing]:
    """Start the command, give it the client secret by its standard input, and read the address."""
    redirect = f"http://127.0.0.1:{free_port()}/"
    command = [sys.executable, "-m", "profile_image_sync", "authorize", "--url", instance.url]
    command += ["--client-id", instance.clients[0].client_id, "--redirect", redirect]
    command += ["--ca", str(simulator.ca_file), *map(str, options)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stderr
    process.stdin.write((secret or instance.clients[0].client_secret) + "\n")
    process.stdin.flush()
    try:
        address = next(line for line in process.stderr if line.startswith("https://")).strip()
        yield Authorizing(process, instance, redirect, address)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def instance(simulator: Simulator) -> Instance:
    """Give an instance with an administrator."""
    return simulator.create_instance(users=people(3), clients=[ClientSettings()])


def sent_back(simulator: Simulator, address: str) -> str:
    """Do as a browser does up to the redirect; return where it goes."""
    trust = ssl.create_default_context(cafile=simulator.ca_file)
    with httpx.Client(verify=trust, trust_env=False) as browser:
        return browser.get(address).headers["location"]


def test_a_browser_ends_with_a_secret_that_works(
    simulator: Simulator, instance: Instance, tmp_path: Path
) -> None:
    """Open the address, allow, done: the printed Secret holds an authorisation of its own."""
    with authorizing(simulator, instance) as waiting:
        page = subprocess.run(
            [*BROWSER, f"--user-data-dir={tmp_path / 'browser'}", waiting.address],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        code, output, errors = waiting.finished()
    assert code == 0, errors
    assert "go back to the terminal" in page.stdout
    secret = json.loads(output)
    assert (secret["kind"], secret["metadata"]["name"]) == ("Secret", "highq-oauth")
    assert set(secret["stringData"]) == {"clientId", "clientSecret", "refreshToken"}
    session = HighQSession.at(simulator, instance, tmp_path / "tokens")
    session.replace_seed(secret["stringData"]["refreshToken"])
    with session.open() as highq:
        assert highq.account_total() == 4


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
