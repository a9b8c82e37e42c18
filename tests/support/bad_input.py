"""What can be wrong with the input of a run, and what is said of it: one table for every layer.

How a mistake is made differs (a manifest of the command line, objects of a cluster), the outcome does not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadInput:
    """The outcome of one mistake: exit code 20 is for a person to mend, 30 is tried again."""

    exit_code: int
    reason: str
    says: str  # a regular expression: the thing and the remedy


BAD_INPUT = {
    "wrong_password": BadInput(20, "BindRefused", r"password is wrong.*Secret"),
    "empty_password": BadInput(20, "MissingReference", r"Secret ad-bind, key password: is empty"),
    "unknown_authority": BadInput(20, "DirectoryUntrusted", r"ldaps://\S+.*caBundleRef"),
    "wrong_host_name": BadInput(20, "DirectoryUntrusted", r"ldaps://\d+\.\S+"),
    "unreachable_directory": BadInput(
        30, "DirectoryUnavailable", r"ldaps://(127\.0\.0\.1:\d+|dc9\.directory\.svc)"
    ),
    "search_base_that_is_not_there": BadInput(
        20, "DirectoryMisconfigured", r"spec\.activeDirectory\.searchBases\[0\].*OU=Nowhere"
    ),
    "search_base_with_nobody": BadInput(
        20, "DirectoryMisconfigured", r"nobody in scope.*searchBases"
    ),
    "nobody_has_an_image": BadInput(20, "DirectoryMisconfigured", r"imageAttributes.*may read"),
    "wrong_client_secret": BadInput(
        20, "AuthorisationRefused", r"clientSecret.*highq-oauth|highq-oauth.*clientSecret"
    ),
    "refused_refresh_token": BadInput(
        20, "AuthorisationExpired", r"`profile-image-sync authorize --url .* --apply --replace`"
    ),
    "missing_secret": BadInput(
        20, "MissingReference", r"Secret highq-oauth, key clientId: is not there"
    ),
    "missing_key": BadInput(
        20, "MissingReference", r"Secret ad-bind, key password: is not there.*keys? username"
    ),
    "unreachable_highq": BadInput(30, "HighQUnavailable", r"127\.0\.0\.1"),
    "highq_down": BadInput(30, "HighQUnavailable", r"127\.0\.0\.1|localhost"),
    "no_authority_for_highq": BadInput(20, "HighQUntrusted", r"spec\.highq\.caBundleRef"),
    "not_a_system_administrator": BadInput(20, "AuthorisationRefused", r"administrator"),
}
