"""Planted secrets are searched for in everything that runs leave behind, also when everything fails.

All commands run with their libraries at debug level, which is more than any setting of ours shows.
"""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testkit.ldap_server import INVALID_CREDENTIALS, ScriptedLdapServer
from testkit.simulator.schema import ClientSettings
from testkit.sync_command import ordinary, picture
from testkit.trial import BIND_PASSWORD, Trial
from testkit.waiting import wait_for
from tests.support.planted import AT_DEBUG_LEVEL, LOUD, Planted, proc_of
from tests.support.tinyproxy import PASSWORD, tinyproxy

CLIENT = ClientSettings(
    client_id="planted-4711",
    client_secret="cl1ent/secret+planted=ä?",  # to be encoded wherever it goes
    refresh_token="refresh/planted+of=the&seed",
)
PHOTO = picture("AB", 5)
NAMES = ("Ada Brook", "Ben Castle", "Cleo Dale", "Dan East", "Eve Field")
# What a careless server says, which no message and no log line may repeat.
CARELESS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("upload", {"kind": "echo", "status": 401, "user_id": 1}),
    ("upload", {"kind": "echo", "status": 500, "user_id": 2}),
    ("upload", {"kind": "echo", "status": 400, "ref": 401, "user_id": 3}),
    ("upload", {"kind": "malformed", "body": '{"error": {', "user_id": 4}),
    ("upload", {"kind": "echo", "status": 400, "ref": 396, "user_id": 5}),
)


@pytest.fixture
def careless(new_trial: Callable[..., Trial]) -> Trial:
    """Give a tenant with planted secrets."""
    trial = new_trial(clients=[CLIENT])
    trial.add_people([ordinary(name, seed) for seed, name in enumerate(NAMES, start=1)])
    trial.change("ben.castle", photos={"thumbnailPhoto": (PHOTO,)})
    trial.write_manifest()
    return trial


class Runs:
    """Runs commands on a tenant; keeps what they print."""

    def __init__(self, trial: Trial) -> None:
        """Begin with nothing run."""
        self.trial = trial
        self.left: dict[str, bytes] = {}

    def started(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command, with everything that it may print."""
        command = [*AT_DEBUG_LEVEL, *self.trial.command(*arguments)[3:]]
        return subprocess.Popen(
            command, cwd=self.trial.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def ended(self, process: subprocess.Popen[bytes]) -> bytes:
        """Keep what a command has printed; return it."""
        with process:
            output, errors = process.communicate(timeout=300)
        self.left[f"output {len(self.left)}"] = output + errors
        return output + errors

    def run(self, *arguments: str) -> bytes:
        """Run a command to its end."""
        return self.ended(self.started(*arguments))

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the files of the state, but for the one that holds the tokens."""
        for file in self.trial.state.rglob("*"):
            if file.is_file() and file.name != "tokens.json":
                yield str(file), file.read_bytes()


def test_no_planted_secret_is_left_behind(
    careless: Trial, directory: ScriptedLdapServer, tmp_path: Path
) -> None:
    """Whatever fails: passwords, tokens and pictures are nowhere but in the request and in tokens.json."""
    runs, highq = Runs(careless), careless.highq
    for operation, fault in CARELESS:
        highq.fail_next(operation, **fault)
    process = runs.started("sync", "--verbose")
    wait_for("HighQ to be asked", lambda: highq.audit(operation="list"))
    runs.left |= proc_of(process.pid)
    told = runs.ended(process)
    assert LOUD in told
    assert b"HTTP 400, ref 401" in told
    assert highq.pending_faults() == []

    tokens = careless.state / "tokens.json"
    kept = json.loads(tokens.read_bytes())
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    sent = highq.picture(2)  # the second attempt
    assert sent

    for command in ("plan", "check"):
        highq.fail_next("list", "echo", status=400)
        assert b"HTTP 400" in runs.run(command)
    assert b"ada.brook" in runs.run("explain", "ada.brook@firm.example")
    highq.expire_tokens()
    highq.fail_next("token", "echo", status=400)
    assert b"AuthorisationExpired" in runs.run("sync")
    with tinyproxy(tmp_path, password=True) as proxy:
        _go_through(careless, f"http://127.0.0.1:{proxy.port}")
        assert b"ProxyRefused" in runs.run("sync", "--secret", f"proxy={tmp_path / 'proxy'}")
    careless.highq_ca = careless.directory_ca
    careless.write_manifest()
    assert b"HighQUntrusted" in runs.run("sync")
    directory.script.bind_result = INVALID_CREDENTIALS
    directory.script.bind_diagnostic = f"bad password {BIND_PASSWORD}"
    assert b"BindRefused" in runs.run("sync")

    texts = {
        "the client id": CLIENT.client_id,
        "the client secret": CLIENT.client_secret,
        "the seed": CLIENT.refresh_token,
        "the refresh token": kept["refresh_token"],
        "the access token": kept["access_token"],
        "the bind password": BIND_PASSWORD,
        "the proxy's password": f"planted-{PASSWORD}",
    }
    planted = Planted(
        {what: text.encode() for what, text in texts.items()}
        | {"the picture": PHOTO[400:430], "the picture as it was sent": sent[400:430]}
    )
    assert planted.found_in(runs.left | dict(runs.files())) == set()
    assert planted.found_in({"tokens.json": tokens.read_bytes()}) == {
        "the refresh token in tokens.json",
        "the access token in tokens.json",
    }


def _go_through(trial: Trial, proxy: str) -> None:
    """Have HighQ reached through a proxy, with a wrong password."""
    folder = trial.folder / "proxy"
    folder.mkdir()
    (folder / "username").write_text("sync")
    (folder / "password").write_text(f"planted-{PASSWORD}")

    def through(spec: dict[str, Any]) -> None:
        spec["highq"]["proxy"] = {"url": proxy, "credentialsSecretRef": {"name": "proxy"}}

    trial.write_manifest(change=through)
