"""Commands that need no server, through their real process."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from profile_image_sync import __version__
from profile_image_sync.cli.app import app
from tests.support.bad_manifests import tenant
from tests.unit.cli.command import command

COMMANDS = sorted(
    each.name or each.callback.__name__ for each in app.registered_commands if each.callback
)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_plain_text_without_types_beside_flags(name: str) -> None:
    """Each command explains itself; placeholders are words such as FILE, never Python types."""
    shown = command(name, "--help")
    assert shown.exit_code == 0
    assert f"Usage: profile-image-sync {name}" in shown.output
    assert not re.search(r"<(bool|str|path|int|list)|\[bool\]|╭|\bTEXT\b", shown.output)
    assert shown.output == command(name, "-h").output


@pytest.mark.parametrize("name", ["check", "explain", "plan", "sync", "crd", "completion"])
def test_help_of_a_command_for_users_has_examples(name: str) -> None:
    """An example is a line that can be copied."""
    output = command(name, "--help").output
    assert re.search(r"Examples?:\n    \S*.*profile-image-sync", output)


def test_version_is_an_option_and_a_command() -> None:
    """People try either."""
    assert command("--version").output == f"{__version__}\n"
    assert command("version").output == f"profile-image-sync {__version__}\n"


def test_an_unknown_option_ends_with_one_line_and_code_2() -> None:
    """Never a traceback."""
    refused = command("sync", "--fiel", "x")
    assert refused.exit_code == 2
    assert refused.errors.splitlines()[-1].startswith("Error: No such option: --fiel")


def test_a_missing_file_ends_with_one_line_and_code_20(tmp_path: Path) -> None:
    """The line has the reason and the file."""
    missing = command("sync", "-f", tmp_path / "none.yaml")
    assert (missing.exit_code, missing.output) == (20, "")
    assert missing.errors == (
        f"InvalidSpec: {tmp_path}/none.yaml cannot be read: No such file or directory\n"
    )


def test_all_missing_references_are_told_at_once(tmp_path: Path) -> None:
    """One run tells every gap, with the field and the keys that the object does have."""
    manifest = tmp_path / "tenant.yaml"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ad-bind"}}
    secret["stringData"] = {"username": "reader", "passwort": "hunter2"}
    manifest.write_text(yaml.safe_dump_all([tenant(), secret]))

    refused = command("sync", "-f", manifest, "--state", tmp_path / "state")

    assert refused.exit_code == 20
    lines = [line for line in refused.errors.splitlines() if "credentialsSecretRef" in line]
    assert [
        line.partition(": is not there")[0].removeprefix("MissingReference: ") for line in lines
    ] == [
        "spec.activeDirectory.credentialsSecretRef: Secret ad-bind, key password",
        "spec.highq.credentialsSecretRef: Secret highq-oauth, key clientId",
        "spec.highq.credentialsSecretRef: Secret highq-oauth, key clientSecret",
        "spec.highq.credentialsSecretRef: Secret highq-oauth, key refreshToken",
    ]
    assert "the Secret has the keys passwort, username" in lines[0]
    assert "hunter2" not in refused.errors


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_the_shell_accepts(shell: str) -> None:
    """Where the shell is installed, it reads the script without an error."""
    script = command("completion", shell)
    assert (script.exit_code, script.errors) == (0, "")
    assert "_PROFILE_IMAGE_SYNC_COMPLETE" in script.output
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=script.output, text=True, check=False)
        assert checked.returncode == 0


def test_completion_completes_commands_and_options() -> None:
    """What the script asks for when the user presses Tab."""
    asked = {"_PROFILE_IMAGE_SYNC_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert command(COMP_WORDS="profile-image-sync sy", **asked).output.split() == ["sync"]
    asked["COMP_CWORD"] = "2"
    found = command(COMP_WORDS="profile-image-sync sync --st", **asked).output.split()
    assert found == ["--state"]


@pytest.mark.parametrize("library", ["kopf", "kubernetes", "ldap3", "httpx", "PIL", "rich", "yaml"])
def test_help_imports_no_heavy_library(library: str) -> None:
    """A command imports what it needs when it runs, so that a pod starts fast."""
    code = f"import sys, profile_image_sync.cli.app; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
