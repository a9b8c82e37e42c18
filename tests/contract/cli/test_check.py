"""`check` through its real process: each thing that a run needs, broken one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testkit.certificates import CertificateAuthority
from testkit.file_directory import PEOPLE_UNIT, serve
from testkit.ldap_server import ScriptedLdapServer
from testkit.people import sample_people
from testkit.sync_command import ordinary
from testkit.trial import Trial, people_file
from tests.unit.cli.command import CommandResult, command


def check(trial: Trial, *options: str | Path) -> CommandResult:
    """Run `check` on the trial's manifest."""
    return command("check", "-f", trial.manifest, "--state", trial.state, *options)


def line(done: CommandResult, status: str, name: str) -> str:
    """Return the text of the one line with this status and name."""
    start = f"{status:<8} {name:<11} "
    found = [each for each in done.output.splitlines() if each.startswith(start)]
    assert len(found) == 1, done.output
    return found[0].removeprefix(start)


def test_a_tenant_that_can_run_is_all_ok_and_nothing_is_changed(trial: Trial) -> None:
    """No state is made, HighQ gets one question without a token, and the refresh token is still good."""
    trial.add_people(sample_people())
    trial.highq.reset_audit()
    done = check(trial)
    assert (done.exit_code, done.errors) == (0, ""), done.output
    lines = [each.split(maxsplit=2) for each in done.output.splitlines()]
    assert {each[0] for each in lines} == {"OK", "skipped"}
    assert [each[1] for each in lines] == [
        "references", "DNS", "TCP", "TLS", "bind", "clock", "bases", "filter", "people", "pictures",
        "state", "DNS", "TCP", "TLS", "API", "token", "rights",
    ]  # fmt: skip
    assert "certificate for 127.0.0.1, dc1.ad.test until " in done.output
    assert line(done, "OK", "pictures") == "thumbnailPhoto: 37 of 41 people have a picture"
    assert line(done, "OK", "bases") == "DC=ad,DC=test, the whole domain; there, and readable"
    assert line(done, "OK", "filter") == "none; groups: none"
    asked = [(call.operation, call.authorization) for call in trial.highq.audit()]
    assert asked == [("list", False)]
    assert not trial.state.exists()


def test_with_the_token_users_are_listed_and_matched(trial: Trial) -> None:
    """As a run would do it; the new pair is kept for the run."""
    trial.add_people(sample_people())
    done = check(trial, "--use-token", "--output", "json")
    assert done.exit_code == 0, done.output
    found = {each["name"]: each["text"] for each in json.loads(done.output)}
    assert found["match"] == (
        "33 of 37 people with a picture have a HighQ user of their own (mail=email: 32, "
        "userPrincipalName=email: 1); such as ada.brook@firm.example: HighQ user 1"
    )
    assert found["rights"].startswith("the account may list users: ")
    assert found["user list"] == "avatar: yes, createddate: yes"
    assert found["rate limit"] == "HighQ tells none as long as it is not reached"
    assert (trial.state / "tokens.json").exists()
    assert command("sync", "-f", trial.manifest, "--state", trial.state).exit_code == 0


def test_the_rate_limit_is_told_where_highq_tells_it(trial: Trial) -> None:
    """The numbers of its headers."""
    trial.add_people([ordinary("Ada Brook", 1)])
    trial.highq.knobs(rate_limit=1000, rate_headers="all")
    done = check(trial, "--use-token")
    assert "x-ratelimit-limit: 1000" in line(done, "OK", "rate limit")


def test_a_refused_authorisation_is_told_and_the_rest_is_still_checked(trial: Trial) -> None:
    """Who is no system administrator may not list users."""
    trial.add_people([ordinary("Ada Brook", 1)])
    trial.highq.revoke_tokens("both")
    done = check(trial, "--use-token")
    assert done.exit_code == 20
    assert "let a HighQ system administrator authorise" in line(done, "failed", "rights")
    assert line(done, "OK", "people").startswith("1 people")


def test_a_state_is_verified(trial: Trial) -> None:
    """Complete, or the part that is missing."""
    trial.add_people([ordinary("Ada Brook", 1)])
    assert command("sync", "-f", trial.manifest, "--state", trial.state).exit_code == 0
    good = check(trial)
    assert "is complete, with 1 people" in line(good, "OK", "state")
    assert "the stored refresh token expires on " in line(good, "OK", "token")
    (trial.state / "state-000").unlink()
    assert "StateMissing: " in line(check(trial), "failed", "state")


def test_a_clock_that_is_wrong_is_a_warning(trial: Trial, directory: ScriptedLdapServer) -> None:
    """More than Kerberos bears."""
    past = datetime.now(UTC) - timedelta(hours=1)
    directory.script.root["currentTime"] = [past.strftime("%Y%m%d%H%M%S.0Z").encode()]
    trial.add_people([ordinary("Ada Brook", 1)])
    done = check(trial)
    assert done.exit_code == 0
    assert "set both by NTP" in line(done, "warning", "clock")


def test_a_certificate_that_expires_soon_is_a_warning(
    trial: Trial, authority: CertificateAuthority, tmp_path: Path
) -> None:
    """With the day."""
    end = datetime.now(UTC) + timedelta(days=9)
    with serve(people_file(tmp_path), *authority.issue_until(end, "127.0.0.1")) as server:
        trial.add_people([ordinary("Ada Brook", 1)])
        trial.directory_url = server.url
        trial.write_manifest()
        done = check(trial)
    assert line(done, "warning", "TLS").endswith(f"until {end:%Y-%m-%d}; renew it")


def test_a_server_of_start_tls_is_looked_at_too(
    trial: Trial, authority: CertificateAuthority
) -> None:
    """Its certificate comes after StartTLS."""
    with ScriptedLdapServer(*authority.issue("127.0.0.1"), plain=True) as server:
        trial.directory_url = server.url
        trial.write_manifest()
        done = check(trial)
    assert "certificate for 127.0.0.1 until " in done.output


def test_a_picture_of_many_people_is_a_warning(trial: Trial) -> None:
    """It is a logo, by all experience."""
    one = ordinary("Ada Brook", 1)
    trial.add_people([one, ordinary("Ben Castle", 2, photos=one.photos)])
    done = check(trial)
    assert line(done, "warning", "pictures").startswith("2 people share 1 pictures; ")


def _no_server(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["servers"] = ["ldaps://127.0.0.1:9"]


def _no_such_name(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["servers"] = ["ldaps://dc1.nowhere.invalid"]


def _no_such_domain(spec: dict[str, Any]) -> None:
    del spec["activeDirectory"]["servers"]
    spec["activeDirectory"]["domain"] = "nowhere.invalid"


def _wrong_authority(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["caBundleRef"] = {"name": "highq-ca"}


def _wrong_authority_of_highq(spec: dict[str, Any]) -> None:
    spec["highq"]["caBundleRef"] = {"name": "directory-ca"}


def _no_such_base(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["searchBases"] = ["OU=Gone,DC=ad,DC=test"]


def _no_such_group(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["groups"] = ["CN=Gone,DC=ad,DC=test"]


def _empty_scope(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["searchBases"] = [PEOPLE_UNIT.decode()]
    spec["activeDirectory"]["userFilter"] = "(department=Nobody)"


def _no_rights(spec: dict[str, Any]) -> None:
    spec["activeDirectory"]["imageAttributes"] = ["jpegPhoto"]


def _missing_secret(spec: dict[str, Any]) -> None:
    spec["highq"]["credentialsSecretRef"] = {"name": "other"}


def _other_instance(spec: dict[str, Any]) -> None:
    spec["highq"]["url"] += "-of-somebody"


def _no_proxy(spec: dict[str, Any]) -> None:
    spec["highq"]["proxy"] = {"url": "http://127.0.0.1:9"}


BROKEN = [
    (_no_server, 20, "failed", "TCP", "open the firewall, or correct host and port"),
    (_no_such_name, 20, "failed", "DNS", "correct the name, or the DNS of this machine"),
    (_no_such_domain, 20, "failed", "servers", "list the domain controllers in"),
    (_wrong_authority, 20, "failed", "TLS", "where spec.activeDirectory.caBundleRef points"),
    (_wrong_authority_of_highq, 20, "failed", "TLS", "check caBundleRef"),
    (_no_such_base, 20, "failed", "scope", "searchBases[0]"),
    (_no_such_group, 20, "failed", "scope", "groups[0]"),
    (_empty_scope, 20, "failed", "people", "widen the scope"),
    (_no_rights, 0, "warning", "pictures", "let the account read this attribute"),
    (_missing_secret, 20, "failed", "references", "Secret other, key clientId: is not there"),
    (_other_instance, 20, "failed", "API", "check the instance's name in spec.highq.url"),
    (_no_proxy, 20, "failed", "API", "through the proxy of spec.highq.proxy"),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case[0].__name__.lstrip("_"))
def test_what_is_broken_is_named_with_the_remedy(
    trial: Trial, case: tuple[Callable[[dict[str, Any]], None], int, str, str, str]
) -> None:
    """The line says which thing, and what to do."""
    break_it, exit_code, status, name, words = case
    trial.add_people([ordinary("Ada Brook", 1)])
    trial.write_manifest(change=break_it)
    done = check(trial)
    assert done.exit_code == exit_code, done.output
    bad = [each for each in done.output.splitlines() if each.startswith(f"{status:<8} {name:<11}")]
    assert any(words in each for each in bad), done.output


def test_the_proxy_of_the_environment_is_looked_at_without_its_password(trial: Trial) -> None:
    """As a run uses it; where NO_PROXY names HighQ, HighQ itself is."""
    trial.add_people([ordinary("Ada Brook", 1)])
    place = ("check", "-f", trial.manifest, "--state", trial.state)
    proxy = {"https_proxy": "http://me:hunter2@127.0.0.1:9", "no_proxy": ""}  # before HTTPS_PROXY
    refused = command(*place, **proxy)
    assert refused.exit_code == 20
    assert line(refused, "OK", "proxy") == "HighQ is reached through 127.0.0.1:9 (HTTPS_PROXY)"
    assert line(refused, "failed", "TCP").startswith("127.0.0.1:9: ")
    assert "through the proxy of HTTPS_PROXY" in line(refused, "failed", "API")
    assert "hunter2" not in refused.output + refused.errors
    assert command(*place, **proxy | {"no_proxy": "127.0.0.1"}).exit_code == 0


def test_an_api_that_is_switched_off_is_told_as_that(trial: Trial) -> None:
    """Without a token already."""
    trial.highq.knobs(api_enabled=False)
    done = check(trial)
    assert "its API is switched off: ask HighQ to enable it" in line(done, "failed", "API")
