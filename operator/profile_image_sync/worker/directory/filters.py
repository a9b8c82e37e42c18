"""Builds the LDAP filter of the people in scope. Pure.

The administrator's filter is parsed on its own first. Otherwise an unbalanced bracket in it could
widen the scope beyond "is a person".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from ldap3.core.exceptions import LDAPInvalidFilterError
from ldap3.operation.search import AND, NOT, OR, FilterNode, parse_filter
from ldap3.utils.conv import escape_filter_chars

from profile_image_sync.errors import InvalidSpec

_PEOPLE = (
    "(sAMAccountType=805306368)"  # an indexed equality: user objects, neither machines nor trusts
)
_ENABLED = "(!(userAccountControl:1.2.840.113556.1.4.803:=2))"
_NESTED_MEMBER_OF = "memberOf:1.2.840.113556.1.4.1941:"

_BLANKS = (("", ""), ("\\20", ""), ("", "\\20"))  # before and after

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*")
_LONE_BACKSLASH = re.compile(r"\\(?![0-9a-fA-F]{2})")


def people_filter(
    user_filter: str,
    groups: Iterable[str],
    *,
    include_disabled: bool,
    primary_groups: Iterable[int] = (),
) -> str:
    """Return the filter for people: enabled ones unless told, matching `user_filter`, in a group.

    `primary_groups`: relative ids of groups; who has one of them as primary group is no `member` of it.
    Raises InvalidSpec when `user_filter` (RFC 4515, or empty) cannot be read.
    """
    parts = [_PEOPLE]
    if not include_disabled:
        parts.append(_ENABLED)
    if user_filter.strip():
        parts.append(_valid(user_filter.strip()))
    memberships = [f"({_NESTED_MEMBER_OF}={escape_filter_chars(group)})" for group in groups]
    memberships += [f"(primaryGroupID={group})" for group in primary_groups]
    if memberships:
        parts.append(f"(|{''.join(memberships)})")
    return f"(&{''.join(parts)})"


def nested_groups_filter(groups: Iterable[str]) -> str:
    """Return the filter for the groups that are members of these, directly or not."""
    memberships = [f"({_NESTED_MEMBER_OF}={escape_filter_chars(group)})" for group in groups]
    return f"(&(objectClass=group)(|{''.join(memberships)}))"


def changed_filter(people: str, first: int) -> str:
    """Return the filter of those of `people` whose entry changed since this update sequence number."""
    return f"(&(uSNChanged>={first}){people})"


def any_filter(people: str, terms: Iterable[str]) -> str:
    """Return the filter of those of `people` whom one of the terms fits."""
    return f"(&(|{''.join(terms)}){people})"


def guid_term(guid: UUID) -> str:
    """Return the term for one objectGUID."""
    value = "".join(f"\\{byte:02x}" for byte in guid.bytes_le)
    return f"(objectGUID={value})"


def value_terms(attribute: str, value: str) -> list[str]:
    """Return terms for everyone whose attribute may say this value to us, who ignore blanks around it."""
    name = attribute.lower()
    if name == "objectguid":
        try:
            return [guid_term(UUID(value))]
        except ValueError:
            return []
    text = escape_filter_chars(value.strip())
    if name == "proxyaddresses":
        text = f"smtp:{text}"
    return [f"({attribute}={before}{text}{after})" for before, after in _BLANKS]


def find_filter(text: str) -> str:
    """Return the filter for people with this mail, UPN, account name or objectGUID."""
    try:
        guid = UUID(text)
    except ValueError:
        value, names = escape_filter_chars(text), ("mail", "userPrincipalName", "sAMAccountName")
        return f"(&{_PEOPLE}(|{''.join(f'({name}={value})' for name in names)}))"
    return f"(&{_PEOPLE}{guid_term(guid)})"


def _valid(text: str) -> str:
    """Return the filter unchanged if it is exactly one valid filter."""
    try:
        _require_one_filter(text)
        root = parse_filter(
            text, None, auto_escape=True, auto_encode=True, validator=None, check_names=False
        )
        for node in root.elements:
            _require_valid_node(node)
    except LDAPInvalidFilterError as error:
        raise InvalidSpec(
            f"spec.activeDirectory.userFilter: is not an LDAP filter ({error}); write one such as "
            "(department=Legal) or (&(company=Corp)(!(title=Intern)))"
        ) from error
    return text


def _require_one_filter(text: str) -> None:
    """Count brackets to find where the filter ends: within values they are escaped."""
    if _LONE_BACKSLASH.search(text):
        raise LDAPInvalidFilterError("a backslash is followed by two hexadecimal digits")
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth <= 0 and position < len(text) - 1:
            raise LDAPInvalidFilterError("it must stand in one pair of brackets")


def _require_valid_node(node: FilterNode) -> None:
    """Refuse what ldap3 accepts but would send as a different filter."""
    if node.tag == NOT and len(node.elements) != 1:
        raise LDAPInvalidFilterError("! takes exactly one filter")
    if node.tag in (AND, OR, NOT):
        for element in node.elements:
            _require_valid_node(element)
    elif not _ATTRIBUTE.fullmatch(node.assertion["attr"] or ""):
        raise LDAPInvalidFilterError("a comparison starts with the name of an attribute")
