"""The account that reads the directory, and what the codes of a refused bind mean. Pure.

Apart, because result 49 hides its cause in a sub-code of the diagnostic message: without this table
an expired password and a locked account would look the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_DATA_CODE = re.compile(r"\bdata ([0-9a-fA-F]+)")

# Active Directory's sub-codes of result 49 (invalidCredentials): cause and remedy.
_CAUSES = {
    "525": ("there is no such account", "correct the user name"),
    "52e": ("the user name or the password is wrong", "correct them"),
    "530": ("the account may not sign in at this hour", "lift its logon hours"),
    "531": ("the account may not sign in from here", "lift its list of workstations"),
    "532": ("the password has expired", "give the account a new one"),
    "533": ("the account is disabled", "enable it"),
    "701": ("the account has expired", "extend it"),
    "773": ("the password must be changed at the next sign-in", "set it once more"),
    "775": ("the account is locked", "unlock it"),
}
_UNKNOWN = ("the account is refused", "check it")


@dataclass(frozen=True, slots=True)
class BindCredentials:
    """User name (best as user@domain) and password of the account that reads the directory."""

    username: str
    password: str = field(repr=False)


def bind_error(server: str, diagnostic: str) -> str:
    """Return why a bind was refused, from the diagnostic message of result 49."""
    found = _DATA_CODE.search(diagnostic)
    code = found.group(1).lower() if found else ""
    cause, remedy = _CAUSES.get(code, _UNKNOWN)
    suffix = f" (data {code})" if code else ""
    return (
        f"{server} refused the bind: {cause}{suffix}; {remedy}, and see the Secret that "
        "spec.activeDirectory.credentialsSecretRef names. It is not tried again, or the account "
        "would be locked"
    )
