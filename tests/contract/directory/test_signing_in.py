"""One bind a run; a refusal says why, and is never tried again: retries lock accounts."""

from __future__ import annotations

from uuid import UUID

import pytest

from profile_image_sync.errors import BindRefused, DirectoryUnavailable
from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController
from testkit.samba.provision import LOCKOUT_THRESHOLD
from tests.contract.directory.conftest import Connect

PASSWORD = "Pässwörd ½ № 1"  # text that SASLprep would rewrite
NOBODY_LISTENS = "ldaps://127.0.0.1:1"


@pytest.fixture
def account(administrator: Administrator, organizational_unit: str) -> UUID:
    """Give an account called reader, with PASSWORD."""
    return administrator.add_account("reader", organizational_unit, PASSWORD)


@pytest.mark.usefixtures("account")
def test_a_password_is_sent_as_it_is_written(connect: Connect) -> None:
    """Umlauts, fractions, blanks: no normalisation that would make it another password."""
    assert connect(username="reader@ad.test", password=PASSWORD).domain.name == "ad.test"
    assert connect(username="ADTEST\\reader", password=PASSWORD).domain.name == "ad.test"


def test_a_wrong_password_costs_one_attempt_whatever_the_number_of_servers(
    connect: Connect,
    account: UUID,
    administrator: Administrator,
    domain_controller: DomainController,
) -> None:
    """The verdict of one server is the verdict; the password is in no message."""
    servers = [domain_controller.url, domain_controller.start_tls_url]
    with pytest.raises(BindRefused, match="user name or the password is wrong") as caught:
        connect(servers=servers, username="reader@ad.test", password="not this one")
    assert administrator.wrong_passwords(account) == 1
    assert domain_controller.url in str(caught.value)
    assert "spec.activeDirectory.credentialsSecretRef" in str(caught.value)
    assert "not this one" not in str(caught.value)


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("userAccountControl", "66050", "is disabled (data 533)"),
        ("accountExpires", "1", "has expired (data 701)"),
        ("pwdLastSet", "0", "must be changed at the next sign-in (data 773)"),
        ("logonHours", bytes(21), "at this hour (data 530)"),
        ("userWorkstations", "PC7", "from here (data 531)"),
    ],
)
@pytest.mark.usefixtures("account")
def test_an_account_that_may_not_sign_in_is_told_why(
    connect: Connect,
    administrator: Administrator,
    attribute: str,
    value: str | bytes,
    words: str,
) -> None:
    """With the right password, the reason in words."""
    account = administrator.find("reader")
    administrator.set(account, "userAccountControl", "512")  # or a password could not age
    administrator.set(account, attribute, value)
    with pytest.raises(BindRefused) as caught:
        connect(username="reader@ad.test", password=PASSWORD)
    assert words in str(caught.value)


def test_a_locked_account_is_told(
    connect: Connect, account: UUID, administrator: Administrator
) -> None:
    """After too many wrong passwords of somebody else."""
    for _ in range(LOCKOUT_THRESHOLD):
        with pytest.raises(BindRefused, match="is wrong"):
            connect(username="reader@ad.test", password="guess")
    with pytest.raises(BindRefused, match=r"is locked \(data 775\); unlock it"):
        connect(username="reader@ad.test", password=PASSWORD)
    assert administrator.wrong_passwords(account) == LOCKOUT_THRESHOLD


@pytest.mark.parametrize(("username", "password"), [("reader@ad.test", ""), ("", "x")])
def test_empty_credentials_are_refused_here(connect: Connect, username: str, password: str) -> None:
    """A server would take an empty password as an anonymous bind, and show nobody."""
    with pytest.raises(BindRefused, match="is empty"):
        connect(username=username, password=password)


def test_the_next_server_serves_when_the_first_cannot_be_reached(
    connect: Connect, domain_controller: DomainController
) -> None:
    """Servers are tried in the order of the spec."""
    servers = ["ldaps://no-such-host.invalid", NOBODY_LISTENS, domain_controller.url]
    assert connect(servers=servers).domain.name == "ad.test"


def test_every_server_that_could_not_be_reached_is_named_with_its_reason(connect: Connect) -> None:
    """All down: try again later."""
    with pytest.raises(DirectoryUnavailable) as caught:
        connect(servers=[NOBODY_LISTENS, "ldaps://no-such-host.invalid"])
    message = str(caught.value)
    assert f"{NOBODY_LISTENS}: Connection refused" in message
    assert "ldaps://no-such-host.invalid: " in message
