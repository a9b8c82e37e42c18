"""What a refused bind means, and that no password is shown."""

from __future__ import annotations

import pytest

from profile_image_sync.worker.directory.credentials import BindCredentials, bind_error

WINDOWS = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {}, v3839"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("525", "there is no such account"),
        ("52e", "the user name or the password is wrong"),
        ("52E", "the user name or the password is wrong"),
        ("530", "may not sign in at this hour"),
        ("531", "may not sign in from here"),
        ("532", "the password has expired"),
        ("533", "the account is disabled"),
        ("701", "the account has expired"),
        ("773", "must be changed at the next sign-in"),
        ("775", "the account is locked"),
        ("999", "the account is refused (data 999)"),
    ],
)
def test_a_refusal_says_what_is_the_matter(code: str, words: str) -> None:
    """Each of Active Directory's codes in words, with the server and where to mend it."""
    message = bind_error("ldaps://dc1", WINDOWS.format(code))
    assert words in message
    assert message.startswith("ldaps://dc1 refused the bind")
    assert "spec.activeDirectory.credentialsSecretRef" in message


def test_a_refusal_without_a_code_is_told_all_the_same() -> None:
    """Other servers write other diagnostics; they are not quoted."""
    message = bind_error("ldaps://dc1", "no luck, CN=Reader,DC=corp")
    assert "the account is refused;" in message
    assert "CN=Reader" not in message


def test_credentials_do_not_show_the_password() -> None:
    """Not in a log line, not in a traceback's variables."""
    assert "hunter2" not in repr(BindCredentials("reader", "hunter2"))
