"""Every input can be bad: the run ends with the right exit code and one line that says what to do."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testkit.certificates import CertificateAuthority
from testkit.sync_command import CommandResult, LocalTenant, ordinary, picture
from tests.support.bad_input import BAD_INPUT, BadInput

SECRETS = ("wrong-horse", "no-such-secret", "no-such-token")


def closed_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wrong_password(tenant: LocalTenant) -> None:
    tenant.secrets["ad-bind"]["password"] = SECRETS[0]


def _empty_password(tenant: LocalTenant) -> None:
    tenant.secrets["ad-bind"]["password"] = ""


def _unknown_authority(tenant: LocalTenant) -> None:
    tenant.spec["activeDirectory"]["caBundleRef"] = {"name": "highq-ca"}


def _no_authority_for_highq(tenant: LocalTenant) -> None:
    del tenant.spec["highq"]["caBundleRef"]


def _wrong_host_name(tenant: LocalTenant) -> None:
    tenant.spec["activeDirectory"]["servers"] = tenant.directory.unnamed_urls


def _unreachable_directory(tenant: LocalTenant) -> None:
    tenant.spec["activeDirectory"]["servers"] = [f"ldaps://127.0.0.1:{closed_port()}"]


def _search_base_that_is_not_there(tenant: LocalTenant) -> None:
    tenant.spec["activeDirectory"]["searchBases"] = [f"OU=Nowhere,{tenant.organizational_unit}"]


def _search_base_with_nobody(tenant: LocalTenant) -> None:
    empty = tenant.administrator.add_organizational_unit("Empty", tenant.organizational_unit)
    tenant.spec["activeDirectory"]["searchBases"] = [empty]


def _nobody_has_an_image(tenant: LocalTenant) -> None:
    tenant.spec["activeDirectory"]["imageAttributes"] = ["jpegPhoto"]


def _wrong_client_secret(tenant: LocalTenant) -> None:
    tenant.secrets["highq-oauth"]["clientSecret"] = SECRETS[1]


def _refused_refresh_token(tenant: LocalTenant) -> None:
    tenant.secrets["highq-oauth"]["refreshToken"] = SECRETS[2]


def _missing_secret(tenant: LocalTenant) -> None:
    del tenant.secrets["highq-oauth"]


def _missing_key(tenant: LocalTenant) -> None:
    del tenant.secrets["ad-bind"]["password"]


def _unreachable_highq(tenant: LocalTenant) -> None:
    tenant.spec["highq"]["url"] = f"https://127.0.0.1:{closed_port()}/acme"


def _highq_down(tenant: LocalTenant) -> None:
    tenant.highq.fail_next("any", "status", status=503, times=1000)


def _not_a_system_administrator(tenant: LocalTenant) -> None:
    tenant.highq.change_user(900001, sysadmin=False)  # who authorised us


MISTAKES: dict[str, Callable[[LocalTenant], None]] = {
    "wrong_password": _wrong_password,
    "empty_password": _empty_password,
    "unknown_authority": _unknown_authority,
    "no_authority_for_highq": _no_authority_for_highq,
    "wrong_host_name": _wrong_host_name,
    "unreachable_directory": _unreachable_directory,
    "search_base_that_is_not_there": _search_base_that_is_not_there,
    "search_base_with_nobody": _search_base_with_nobody,
    "nobody_has_an_image": _nobody_has_an_image,
    "wrong_client_secret": _wrong_client_secret,
    "refused_refresh_token": _refused_refresh_token,
    "missing_secret": _missing_secret,
    "missing_key": _missing_key,
    "unreachable_highq": _unreachable_highq,
    "highq_down": _highq_down,
    "not_a_system_administrator": _not_a_system_administrator,
}


@pytest.mark.parametrize(("mistake", "expected"), BAD_INPUT.items(), ids=BAD_INPUT)
def test_a_run_that_cannot_be_done_says_why(
    tenant: LocalTenant, mistake: str, expected: BadInput
) -> None:
    """Exit code 20: a person must act; 30: try again. The line names the thing and the remedy."""
    tenant.add_people([ordinary("Ann Ash", 1)])
    MISTAKES[mistake](tenant)

    ran = tenant.sync()

    assert (ran.exit_code, ran.report["reason"]) == (expected.exit_code, expected.reason), (
        ran.errors
    )
    said = ran.errors[ran.errors.rindex(f"\n{expected.reason}: ") :].strip()
    lines = 3 if mistake == "missing_secret" else 1  # a line for each key that is missing
    assert len(said.splitlines()) == lines, said
    assert re.search(expected.says, said), said
    assert_nothing_leaked(ran)
    assert tenant.avatar_calls() == []


def test_one_bind_is_tried_and_the_account_is_not_locked(tenant: LocalTenant) -> None:
    """A wrong password costs one attempt a run, however many servers there are."""
    tenant.add_people([ordinary("Ann Ash", 1)])
    reader = tenant.administrator.add_account("Reader", tenant.organizational_unit, "right-Horse-9")
    tenant.secrets["ad-bind"] = {"username": "reader@ad.test", "password": SECRETS[0]}
    tenant.spec["activeDirectory"]["servers"] = [
        tenant.directory.url,
        tenant.directory.url + ":636",
    ]

    assert tenant.sync().exit_code == 20

    assert tenant.administrator.wrong_passwords(reader) == 1


def test_the_next_server_is_asked_when_one_cannot_be_reached(tenant: LocalTenant) -> None:
    """Servers are tried in order of preference."""
    tenant.add_people([ordinary("Ann Ash", 1)])
    gone = f"ldaps://127.0.0.1:{closed_port()}"
    tenant.spec["activeDirectory"]["servers"] = [gone, tenant.directory.url]

    assert tenant.sync().numbers == {"people": 1, "uploaded": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"activeDirectory": {"serverss": ["ldaps://dc"]}},
            r"spec.activeDirectory.serverss.*servers",
        ),
        ({"image": {"maxSize": "large"}}, r"spec.image.maxSize"),
        ({"image": {"maxSize": 100}}, r"spec.image.maxSize.*256"),
        ({"mode": "Sometimes"}, r"spec.mode.*Continuous"),
        ({"schedule": "60 * * * *"}, r"spec.schedule"),
        ({"highq": {"url": "http://acme.highq.com/acme"}}, r"spec.highq.url.*https"),
        (
            {"highq": {"proxy": {"url": "proxy:3128"}}},
            r"spec.highq.proxy.url.*http://",
        ),
        ({"activeDirectory": {"userFilter": "(&(a=b)"}}, r"spec.activeDirectory.userFilter"),
    ],
)
def test_a_field_that_is_unknown_or_wrong_is_named(
    tenant: LocalTenant, changes: dict[str, Any], words: str
) -> None:
    """Nothing is read or uploaded; the line names the field as the manifest spells it."""
    ran = tenant.sync(**changes)

    assert ran.exit_code == 20
    assert re.search(words, ran.errors), ran.errors
    assert "Traceback" not in ran.errors
    assert not tenant.state.exists() or not (tenant.state / "state-000").exists()


def test_a_manifest_that_is_not_there_is_named(tenant: LocalTenant) -> None:
    """Nor is a missing file a traceback."""
    command = tenant.command()
    Path(command[command.index("-f") + 1]).unlink()

    ran = tenant.run_command(command)

    assert ran.exit_code == 20
    assert "tenant.yaml" in ran.errors
    assert "Traceback" not in ran.errors


def test_one_persons_failure_stops_nobody_and_is_tried_again(tenant: LocalTenant) -> None:
    """HighQ keeps failing for one user: the others are served, and the next run serves that one too."""
    people = [ordinary(f"Person {letter}", seed) for seed, letter in enumerate("ABCDEFGHIJ")]
    tenant.add_people(people)
    tenant.highq.fail_next("avatar", "status", user_id=tenant.ids["person.e"], status=500, times=5)

    ran = tenant.sync()

    assert ran.exit_code == 0
    assert ran.numbers == {"people": 10, "uploaded": 9, "failed": 1}
    assert ran.report["run"]["outcome"] == "PartialFailure"
    assert "person.e@firm.example" in ran.listed("failed")
    assert tenant.sync().numbers == {"people": 10, "uploaded": 1, "unchanged": 9}


def test_a_user_whom_highq_protects_stops_nobody_else(tenant: LocalTenant) -> None:
    """HighQ denies us one user's avatar: that person failed, and the authorisation is left alone."""
    people = [ordinary(f"Person {letter}", seed) for seed, letter in enumerate("ABCDEFGHIJKL")]
    tenant.add_people(people)
    who = tenant.ids["person.e"]
    tenant.highq.fail_next("avatar", "status", user_id=who, status=403, ref=123, times=100)

    ran = tenant.sync()

    assert (ran.exit_code, ran.numbers) == (0, {"people": 12, "uploaded": 11, "failed": 1})
    assert ran.listed("failed") == {"person.e@firm.example": "AccessDenied"}
    assert len(tenant.highq.audit(operation="token")) == 1


def test_a_burst_of_trouble_is_sat_out(tenant: LocalTenant) -> None:
    """503, a cut connection after the upload was accepted, a 429: everyone is served in the same run."""
    people = [ordinary(f"Person {letter}", seed) for seed, letter in enumerate("ABCDE")]
    tenant.add_people(people)
    tenant.highq.fail_next("avatar", "status", status=503)
    tenant.highq.fail_next("avatar", "cut", landed=True)
    tenant.highq.knobs(rate_limit=4, rate_window=2)

    ran = tenant.sync()

    assert ran.numbers == {"people": 5, "uploaded": 5}
    assert any(call.status == 429 for call in tenant.highq.audit())


def test_many_failures_are_a_failed_run(tenant: LocalTenant) -> None:
    """Of fewer than 20 uploads all must fail for a Failed run; the rest is recorded, and tried again."""
    people = [ordinary(f"Person {letter}", seed) for seed, letter in enumerate("ABCD")]
    tenant.add_people(people)
    for account in ("person.a", "person.b"):
        tenant.highq.fail_next(
            "avatar", "status", user_id=tenant.ids[account], status=500, times=10
        )

    for outcome, number in (("PartialFailure", 2), ("Failed", 0)):
        ran = tenant.sync()
        assert ran.report["run"]["outcome"] == outcome
        assert (ran.numbers.get("uploaded", 0), ran.numbers["failed"]) == (number, 2)
    assert tenant.sync().numbers == {"people": 4, "uploaded": 2, "unchanged": 2}


def test_half_of_the_people_gone_stops_the_run_until_acknowledged(tenant: LocalTenant) -> None:
    """The brake names its numbers and its id; with the id acknowledged, one run passes."""
    people = [ordinary(f"Person {letter}", seed) for seed, letter in enumerate("ABCDEFGH")]
    tenant.add_people(people)
    tenant.sync()
    for letter in "abcdef":
        tenant.administrator.delete(tenant.guids[f"person.{letter}"])
    tenant.administrator.set_photo(tenant.guids["person.h"], "thumbnailPhoto", picture("PH", 77))
    tenant.highq.reset_audit()

    stopped = tenant.sync("--full")
    assert (stopped.exit_code, stopped.report["reason"]) == (20, "BrakeTripped")
    assert re.search(r"2 people, 8 before.*minPeoplePercent", stopped.report["message"])
    assert tenant.avatar_calls() == []

    brake = stopped.report["brake"]["id"]
    assert tenant.sync().report["brake"]["id"] == brake
    assert tenant.sync(safety={"acknowledge": brake}).numbers == {
        "people": 2, "uploaded": 1, "unchanged": 1,
    }  # fmt: skip
    assert tenant.sync().numbers == {"people": 2, "unchanged": 2}


def test_state_that_went_missing_stops_the_run(tenant: LocalTenant) -> None:
    """A first sync by accident would override people's own pictures: the header or a shard is missed.

    A header at once, a shard by the run that reads it: a full sweep, or one that has somebody of it to serve.
    """
    tenant.add_people([ordinary("Ann Ash", 1)])
    tenant.sync()
    tenant.highq.reset_audit()

    shard, header = tenant.state / "state-000", tenant.state / "state"
    kept = shard.read_bytes()
    shard.unlink()
    ran = tenant.sync("--full")
    assert (ran.exit_code, "StateMissing" in ran.errors) == (20, True), ran.errors
    shard.write_bytes(kept)
    header.unlink()
    ran = tenant.sync()
    assert ran.exit_code == 20
    assert "StateMissing" in ran.errors
    assert tenant.avatar_calls() == []


def test_state_of_another_highq_stops_the_run(tenant: LocalTenant) -> None:
    """State is bound to one HighQ and one domain."""
    tenant.add_people([ordinary("Ann Ash", 1)])
    tenant.sync()
    other = tenant.simulator.create_instance()

    ran = tenant.sync(highq={"url": other.url})

    assert (ran.exit_code, ran.report["reason"]) == (20, "StateMismatch")


def test_an_unknown_certificate_sees_no_password(tenant: LocalTenant, tmp_path: Path) -> None:
    """Trust comes first: a server that cannot prove its name learns nothing."""
    tenant.add_people([ordinary("Ann Ash", 1)])
    reader = tenant.administrator.add_account("Reader", tenant.organizational_unit, "right-Horse-9")
    tenant.secrets["ad-bind"] = {"username": "reader@ad.test", "password": SECRETS[0]}
    unknown = CertificateAuthority(tmp_path / "unknown").ca_file.read_text()
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "ca.crt").write_text(unknown)
    bundle = {"kind": "Secret", "name": "unknown", "key": "ca.crt"}

    ran = tenant.sync("--secret", f"unknown={folder}", activeDirectory={"caBundleRef": bundle})

    assert (ran.exit_code, ran.report["reason"]) == (20, "DirectoryUntrusted")
    assert tenant.administrator.wrong_passwords(reader) == 0


def last_line(ran: CommandResult) -> str:
    """Return the error with which the run ended, whatever number of lines it has."""
    lines = ran.errors.strip().splitlines()
    begins = [at for at, line in enumerate(lines) if re.match(r"[A-Z]\w+: ", line)]
    return "\n".join(lines[begins[-1] if begins else -1 :])


def assert_nothing_leaked(ran: CommandResult) -> None:
    """No secret and no traceback in anything that was said or written down."""
    everything = ran.output + ran.errors + str(ran.report) + str(ran.people)
    assert "Traceback" not in everything
    for secret in SECRETS:
        assert secret not in everything
