"""One bound connection to one domain controller: binds once, reads entries and pages.

Every error of ldap3 ends here: what comes out is an entry, a page, or an error of our tree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import Literal

import structlog
from ldap3 import BASE, DEREF_NEVER, SIMPLE, SUBTREE, Connection
from ldap3.core.exceptions import LDAPControlError, LDAPOperationResult

from profile_image_sync.errors import BindRefused, DirectoryMisconfigured, DirectoryUnavailable
from profile_image_sync.worker.directory.connection import (
    LDAP_ERRORS,
    ServerAddress,
    Unreachable,
    in_words,
    open_connection,
)
from profile_image_sync.worker.directory.credentials import BindCredentials, refusal_in_words
from profile_image_sync.worker.directory.entries import Entry

Credentials = Callable[[], BindCredentials]  # asked at the bind: they may have been rotated

ANYTHING = "(objectClass=*)"

_PAGED_RESULTS = "1.2.840.113556.1.4.319"
_DOMAIN_SCOPE = ("1.2.840.113556.1.4.1339", False, None)  # no referrals to other domains

# LDAP result codes
_SUCCESS = 0
_INVALID_CREDENTIALS = 49
_NOT_NOW = (51, 52)  # busy, unavailable
_NOT_THERE = (10, 32, 34, 50)  # a referral elsewhere, noSuchObject, invalidDNSyntax, not for us
_FILTERS_FAULT = (2, 12, 16, 17, 18, 21, 53)  # from protocolError to unwillingToPerform

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a paged search's answer, in no order; an empty cookie: the last one."""

    entries: list[Entry]
    cookie: bytes


class Session:
    """A bound connection to `server`. Not for use by several threads at once."""

    def __init__(self, server: str, connection: Connection, naming_context: str) -> None:
        """Take a connection that is bound; `open_session` makes one."""
        self.server = server
        self.naming_context = naming_context
        self._connection = connection

    def read(self, dn: str, attributes: Sequence[str]) -> Entry | None:
        """Return one entry; None when there is none of that name, or none that we may see."""
        try:
            found = _search(self._connection, dn, ANYTHING, BASE, attributes)
        except LDAP_ERRORS as error:
            if isinstance(error, LDAPOperationResult) and error.result in _NOT_THERE:
                return None
            raise self._broken_off("an entry", error) from error
        return found.entries[0] if found.entries else None

    def objection(self, search_filter: str) -> str:
        """Return why the server does not take a filter; "" when it does."""
        try:
            _search(self._connection, self.naming_context, search_filter, BASE, ["objectGUID"])
        except LDAP_ERRORS as error:
            if isinstance(error, LDAPOperationResult) and error.result in _FILTERS_FAULT:
                return in_words(error)
            raise self._broken_off("an entry", error) from error
        return ""

    def page(
        self,
        base: str,
        search_filter: str,
        attributes: Sequence[str],
        *,
        rows: int,
        cookie: bytes,
        number: int,
    ) -> Page:
        """Return the next page, of at most `rows` entries, of a subtree search.

        `number` counts pages from 1. Raises DirectoryUnavailable: what was read before is then void.
        """
        try:
            return _search(
                self._connection, base, search_filter, SUBTREE, attributes, rows=rows, cookie=cookie
            )
        except LDAP_ERRORS as error:
            raise self._broken_off(f"page {number}", error) from error

    def close(self) -> None:
        """Say goodbye, whatever state the connection is in."""
        _close(self._connection)

    def _broken_off(self, what: str, error: BaseException) -> DirectoryUnavailable:
        return DirectoryUnavailable(
            f"{self.server} broke off while {what} was read: {in_words(error)}; nothing is taken "
            "from what was read. The next run tries again; if it stays so, look at that server"
        )


def open_session(
    servers: Sequence[ServerAddress], credentials: Credentials, context: SSLContext
) -> Session:
    """Bind to the first server that can be reached, in their order; a refused bind is final.

    Raises DirectoryUntrusted, BindRefused, DirectoryMisconfigured, or DirectoryUnavailable when none can
    be reached.
    """
    failures = []
    for address in servers:
        try:
            session = _open(address, credentials, context)
        except Unreachable as error:
            log.warning("directory server not reached", server=address.url, why=str(error))
            failures.append(f"{address.url}: {error}")
        else:
            log.info("directory opened", server=address.url)
            return session
    raise DirectoryUnavailable(
        f"no directory server could be reached ({'; '.join(failures)}); look at the servers, their "
        "names and the network, or correct spec.activeDirectory.servers"
    )


def _open(address: ServerAddress, credentials: Credentials, context: SSLContext) -> Session:
    with ExitStack() as unless_done:
        connection = open_connection(address, context)
        unless_done.callback(_close, connection)
        try:
            naming_context = _naming_context(address, connection)
            _bind(address, connection, credentials())
        except LDAP_ERRORS as error:
            raise Unreachable(in_words(error)) from error
        unless_done.pop_all()
    return Session(address.url, connection, naming_context)


def _naming_context(address: ServerAddress, connection: Connection) -> str:
    """Return the name of the domain's own part of the tree, which anyone may ask for."""
    attributes = ["defaultNamingContext", "isSynchronized"]
    found = _search(connection, "", ANYTHING, BASE, attributes)
    root = found.entries[0] if found.entries else {}
    if not root.get("defaultnamingcontext"):
        raise DirectoryMisconfigured(
            f"{address.url} is no domain controller of Active Directory: it names no domain; "
            "correct spec.activeDirectory.servers"
        )
    if root.get("issynchronized") == [b"FALSE"]:
        raise Unreachable("it has not been filled from another domain controller yet")
    return root["defaultnamingcontext"][0].decode()


def _bind(address: ServerAddress, connection: Connection, given: BindCredentials) -> None:
    if not (given.username and given.password):
        raise BindRefused(
            "the user name or the password for the directory is empty: that would sign in as nobody; "
            "fill the Secret that spec.activeDirectory.credentialsSecretRef names"
        )
    connection.authentication = SIMPLE
    connection.user = given.username
    connection.password = given.password.encode()  # as bytes: ldap3 rewrites text (SASLprep)
    try:
        connection.bind(read_server_info=False)
    except LDAPOperationResult as error:
        if error.result == _INVALID_CREDENTIALS:
            raise BindRefused(refusal_in_words(address.url, error.message or "")) from error
        if error.result in _NOT_NOW:
            raise
        raise BindRefused(f"{address.url} refused the bind: {in_words(error)}") from error
    finally:
        connection.password = connection.request = None
    if not connection.bound:
        raise BindRefused(f"{address.url} did not accept the bind: {connection.last_error}")


def _search(
    connection: Connection,
    base: str,
    search_filter: str,
    scope: Literal["BASE", "SUBTREE"],
    attributes: Sequence[str],
    *,
    rows: int | None = None,
    cookie: bytes = b"",
) -> Page:
    """Search, in pages if `rows` is given. Raises one of LDAP_ERRORS unless all went well."""
    connection.search(
        base,
        search_filter,
        scope,
        DEREF_NEVER,
        attributes=attributes,
        controls=[_DOMAIN_SCOPE],
        paged_size=rows,
        paged_criticality=True,
        paged_cookie=cookie or None,
    )
    result, response = connection.result, connection.response or []
    connection.response = None  # pictures: held no longer than need be
    if result["result"] != _SUCCESS:  # ldap3 lets some pass, timeLimitExceeded among them
        raise LDAPOperationResult(result["result"], result["description"])
    entries = [answer["entry"] for answer in response if answer["type"] == "searchResEntry"]
    if rows is None:
        return Page(entries, b"")
    if _PAGED_RESULTS not in result.get("controls", {}):
        raise LDAPControlError("it does not say whether more pages follow")
    return Page(entries, result["controls"][_PAGED_RESULTS]["value"]["cookie"])


def _close(connection: Connection) -> None:
    with suppress(*LDAP_ERRORS, OSError):
        connection.unbind()
    connection.strategy.close()
