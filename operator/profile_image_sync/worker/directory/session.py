"""One bound connection to one domain controller: binds once, reads entries and pages.

Apart, because all ldap3 errors end here: callers see an entry, a page, or an error of `errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import Literal
from uuid import UUID

import structlog
from ldap3 import BASE, DEREF_NEVER, SIMPLE, SUBTREE, Connection
from ldap3.core.exceptions import LDAPControlError, LDAPOperationResult

from profile_image_sync.errors import BindRefused, DirectoryMisconfigured, DirectoryUnavailable
from profile_image_sync.worker.directory.changes import Position
from profile_image_sync.worker.directory.connection import (
    LDAP_ERRORS,
    ServerAddress,
    Unreachable,
    describe_error,
    open_connection,
)
from profile_image_sync.worker.directory.credentials import BindCredentials, bind_error
from profile_image_sync.worker.directory.entries import LdapEntry

Credentials = Callable[[], BindCredentials]  # read at each bind: they may have been rotated

ANYTHING = "(objectClass=*)"

_PAGED_RESULTS = "1.2.840.113556.1.4.319"
_DOMAIN_SCOPE = ("1.2.840.113556.1.4.1339", False, None)  # no referrals to other domains

# LDAP result codes
_SUCCESS = 0
_INVALID_CREDENTIALS = 49
_TEMPORARY = (51, 52)  # busy, unavailable
_NOT_FOUND = (10, 32, 34, 50)  # referral, noSuchObject, invalidDNSyntax, insufficientAccessRights
_INVALID_FILTER = (2, 12, 16, 17, 18, 21, 53)  # from protocolError to unwillingToPerform

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of a search's result, in no order; an empty cookie marks the last page."""

    entries: list[LdapEntry]
    cookie: bytes


class Session:
    """A bound connection to `server`. Not thread-safe."""

    def __init__(self, server: str, connection: Connection, naming_context: str) -> None:
        """Take a bound connection; `open_session` makes one."""
        self.server = server
        self.naming_context = naming_context
        self._connection = connection

    def read(self, dn: str, attributes: Sequence[str]) -> LdapEntry | None:
        """Return one entry; None when it does not exist or may not be read."""
        try:
            found = _search(self._connection, dn, ANYTHING, BASE, attributes)
        except LDAP_ERRORS as error:
            if isinstance(error, LDAPOperationResult) and error.result in _NOT_FOUND:
                return None
            raise self._interrupted("an entry", error) from error
        return found.entries[0] if found.entries else None

    def position(self) -> Position:
        """Return where the changes of this server's database stand.

        Raises DirectoryUnavailable, or DirectoryMisconfigured when the account may not see it.
        """
        root = self.read("", ["dnsHostName", "dsServiceName", "highestCommittedUSN"]) or {}
        service = root.get("dsservicename", [b""])[0].decode()
        settings = (self.read(service, ["invocationId"]) if service else None) or {}
        try:
            return Position(
                server=root["dnshostname"][0].decode().lower(),
                invocation=UUID(bytes_le=settings["invocationid"][0]),
                usn=int(root["highestcommittedusn"][0]),
            )
        except (LookupError, ValueError) as error:
            raise DirectoryMisconfigured(
                f"{self.server} does not tell how far its changes are; let the account that "
                "spec.activeDirectory.credentialsSecretRef names read invocationId of the server's NTDS "
                "settings"
            ) from error

    def filter_error(self, search_filter: str) -> str:
        """Return why the server refuses a filter; "" when it accepts it."""
        try:
            _search(self._connection, self.naming_context, search_filter, BASE, ["objectGUID"])
        except LDAP_ERRORS as error:
            if isinstance(error, LDAPOperationResult) and error.result in _INVALID_FILTER:
                return describe_error(error)
            raise self._interrupted("an entry", error) from error
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
    ) -> SearchPage:
        """Return the next page, of at most `rows` entries, of a subtree search.

        `number` counts pages from 1, for messages. After DirectoryUnavailable the earlier pages are void.
        """
        try:
            return _search(
                self._connection, base, search_filter, SUBTREE, attributes, rows=rows, cookie=cookie
            )
        except LDAP_ERRORS as error:
            raise self._interrupted(f"page {number}", error) from error

    def close(self) -> None:
        """Unbind and close the socket, whatever state the connection is in."""
        _close(self._connection)

    def _interrupted(self, what: str, error: BaseException) -> DirectoryUnavailable:
        return DirectoryUnavailable(
            f"{self.server} broke off while {what} was read: {describe_error(error)}; nothing is taken "
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
    with ExitStack() as on_error:
        connection = open_connection(address, context)
        on_error.callback(_close, connection)
        try:
            naming_context = _naming_context(address, connection)
            _bind(address, connection, credentials())
        except LDAP_ERRORS as error:
            raise Unreachable(describe_error(error)) from error
        on_error.pop_all()
    return Session(address.url, connection, naming_context)


def _naming_context(address: ServerAddress, connection: Connection) -> str:
    """Return the DN of the domain, from the rootDSE, which needs no bind."""
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
            raise BindRefused(bind_error(address.url, error.message or "")) from error
        if error.result in _TEMPORARY:
            raise
        raise BindRefused(f"{address.url} refused the bind: {describe_error(error)}") from error
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
) -> SearchPage:
    """Search, one page if `rows` is given. Raises one of LDAP_ERRORS unless the result is success."""
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
    connection.response = None  # free the pictures
    if result["result"] != _SUCCESS:  # ldap3 lets some pass, timeLimitExceeded among them
        raise LDAPOperationResult(result["result"], result["description"])
    entries = [answer["entry"] for answer in response if answer["type"] == "searchResEntry"]
    if rows is None:
        return SearchPage(entries, b"")
    if _PAGED_RESULTS not in result.get("controls", {}):
        raise LDAPControlError("without the paged results control")
    return SearchPage(entries, result["controls"][_PAGED_RESULTS]["value"]["cookie"])


def _close(connection: Connection) -> None:
    with suppress(*LDAP_ERRORS, OSError):
        connection.unbind()
    connection.strategy.close()
