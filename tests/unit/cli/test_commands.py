"""Commands that need no server, through their real process."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from profile_image_sync import __version__
from profile_image_sync.cli.app import app
from tests.support.bad_manifests import tenant
from tests.unit.cli.command import CommandResult, command

FOR_THE_CLUSTER = ("operator", "worker")  # started by manifests, not by people


def paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, groups too."""
    yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from paths(each, (*path, name))


PATHS = list(paths(get_command(app)))
OPTION = re.compile(r"^  (?:(-\w), )?(--[\w-]+)(?: (\S+))?(?:  |$)", re.MULTILINE)


@functools.cache
def help_of(path: tuple[str, ...]) -> CommandResult:
    """Return what `--help` of a command says, from a process of its own."""
    return command(*path, "--help")


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_is_plain_text_without_types_beside_flags(path: tuple[str, ...]) -> None:
    """Each command explains itself; placeholders are words such as FILE, never Python types."""
    shown = help_of(path)
    assert (shown.exit_code, shown.errors) == (0, "")
    assert shown.output.startswith(f"Usage: {' '.join(('profile-image-sync', *path))} ")
    assert not re.search(
        r"<(bool|str|path|int|list)|\[bool\]|╭|\b(TEXT|PATH|INTEGER)\b", shown.output
    )
    assert "--help" in shown.output
    assert len([line for line in shown.output.splitlines() if len(line) > 110]) == 0


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_of_a_command_for_people_has_examples(path: tuple[str, ...]) -> None:
    """An example is a line that can be copied; `version` needs none, and `state` lists its own."""
    if path[:1] in [(each,) for each in (*FOR_THE_CLUSTER, "version")] or path == ("state",):
        return
    assert re.search(r"Examples?:\n    \S*.*profile-image-sync", help_of(path).output)


def test_an_option_is_spelled_alike_by_every_command() -> None:
    """The same short flag and the same placeholder; -o and -n mean one thing everywhere."""
    found: dict[str, set[tuple[str, str]]] = {}
    for path in PATHS:
        for short, long, value in OPTION.findall(help_of(path).output.partition("\nOptions:\n")[2]):
            found.setdefault(long, set()).add((short, value))
    formats = {("-o", "table|json"), ("-o", "table|json|csv")}
    assert found.pop("--output") == formats
    assert found.pop("--out") == {("", "FILE"), ("", "FOLDER")}
    assert {long: ways for long, ways in found.items() if len(ways) > 1} == {}
    assert found["--namespace"] == {("-n", "NAME")}
    assert found["--context"] == {("", "NAME")}
    assert found["--verbose"] == {("-v", "")}
    assert len(found) >= 25


def test_the_short_option_for_help_is_the_same() -> None:
    """As everywhere."""
    assert command("state", "list", "-h").output == help_of(("state", "list")).output


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


@pytest.mark.parametrize(
    ("verb", "option"), [("plan", "--html"), ("check", "--report")], ids=" ".join
)
def test_a_file_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, verb: str, option: str
) -> None:
    """No server is asked, no refresh token is spent for a page that then cannot be kept."""
    manifest = tmp_path / "tenant.yaml"
    manifest.write_text(yaml.safe_dump(tenant()))
    for target, why in (
        (tmp_path / "none" / "x", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        refused = command(verb, "-f", manifest, "--state", tmp_path / "state", option, target)
        assert (refused.exit_code, refused.output) == (2, "")
        assert refused.errors.splitlines()[-1] == f"Error: Invalid value: {option} {target}: {why}"
    assert [each.name for each in tmp_path.iterdir()] == ["tenant.yaml"]


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


QUESTION = {
    "bash": """
        source <(profile-image-sync completion bash)
        complete -p profile-image-sync > /dev/null
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _profile_image_sync_completion profile-image-sync
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """,
    "zsh": """
        compdef() {{ }}
        _arguments() {{ print -l -- "$@" }}
        source <(profile-image-sync completion zsh)
        words=({words}); CURRENT=$#words
        _profile_image_sync_completion
    """,
    "fish": """
        profile-image-sync completion fish | source
        complete --do-complete "{words}"
    """,
}


@pytest.mark.parametrize("shell", QUESTION)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("profile-image-sync ackn", ["acknowledge"]),
        ("profile-image-sync state rel", ["release"]),
        ("profile-image-sync status --all", ["--all-namespaces"]),
    ],
)
def test_the_shell_itself_completes(shell: str, words: str, expected: list[str]) -> None:
    """It runs the script, asks as on a press of Tab, and gets these words. bash is always there."""
    program = shutil.which(shell)
    if program is None and shell != "bash":
        pytest.skip(f"{shell} is not installed: scripts/install-test-tools")
    assert program
    folder = Path(sys.executable).parent
    asked = subprocess.run(
        [program, "-c", QUESTION[shell].format(words=words)],
        env={**os.environ, "PATH": os.pathsep.join([str(folder), os.environ["PATH"]])},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert asked.stderr == ""
    found = re.findall(r"(?<![\w-])(?:--)?[a-z][a-z-]+", asked.stdout)
    assert found[: len(expected)] == expected or expected[0] in found


@pytest.mark.parametrize("library", ["kopf", "kubernetes", "ldap3", "httpx", "PIL", "rich", "yaml"])
def test_help_imports_no_heavy_library(library: str) -> None:
    """A command imports what it needs when it runs, so that a pod starts fast."""
    code = f"import sys, profile_image_sync.cli.app; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
