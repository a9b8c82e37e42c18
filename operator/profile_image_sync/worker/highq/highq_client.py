"""HighQ as a run sees it: list the accounts, upload an avatar. No HTTP and no tokens show.

Every HTTP response becomes an account, an error that ends the run, or an error of one person, so that
nothing outside of this package knows a status code or a ref.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

import structlog

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.errors import (
    HighQUnavailable,
    UploadDenied,
    UploadFailed,
    UploadRefused,
    UploadRejected,
    UploadUnconfirmed,
)
from profile_image_sync.worker.highq.listing import AccountPage, T, parse_page, read_accounts
from profile_image_sync.worker.highq.oauth import Authorisation, ClientCredentials
from profile_image_sync.worker.highq.rate_limiter import RateLimiter
from profile_image_sync.worker.highq.refs import Category, Route, classify
from profile_image_sync.worker.highq.responses import Body, Response
from profile_image_sync.worker.highq.retrying import RetryingClient
from profile_image_sync.worker.highq.survey import Survey
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.highq.transport import ProxyAccess, Request, ResponseLost, Transport
from profile_image_sync.worker.people import Account, Avatar
from profile_image_sync.worker.token_store import TokenStore

MAX_SHOWN = 500  # avatars of one plan: each is a call, and HighQ's limit is shared with the runs
SHOWN_SIDE = 128  # pixels; one of the sizes that HighQ has
_SHOWN_AT_ONCE = 8

log = structlog.get_logger()

_USERS = {
    Endpoint.AVATAR: Route.COLLABORATE_USERS,
    Endpoint.PROFILE_IMAGE: Route.PUBLISHER_USERS,
}
_UPLOAD = {Endpoint.AVATAR: Route.AVATAR, Endpoint.PROFILE_IMAGE: Route.PROFILE_IMAGE}


class HighQClient:
    """One HighQ instance. Used by many threads.

    Every method but token_expiry() may raise what ends a run: HighQUnavailable, HighQUntrusted,
    ProxyRefused, AuthorisationRefused, MissingReference, StateUnavailable, StateDamaged, Interrupted.
    """

    def __init__(
        self,
        url: str,
        *,
        endpoint: Endpoint,
        credentials: Callable[[], ClientCredentials],
        store: TokenStore,
        timing: Timing,
        requests_per_minute: int | None = None,
        ca: str | None = None,
        proxy: ProxyAccess | None = None,
        on_first_refresh: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the instance's URL and who we are there; nothing is called yet.

        `ca` is PEM text, None for the system's store; `proxy` None stands for the environment's;
        `requests_per_minute` is our own ceiling; `on_first_refresh` is called just before the
        seed's refresh token is spent, which works once.
        Raises HighQUntrusted for an unreadable `ca`, InvalidSpec for an unusable proxy.
        """
        self.skipped_accounts = 0  # of the last listing
        self._endpoint = endpoint
        self._transport = Transport(url, ca=ca, timing=timing, proxy=proxy)
        self._http = RetryingClient(
            self._transport, RateLimiter(timing, requests_per_minute), timing
        )
        self._authorisation = Authorisation(
            self._http,
            credentials=credentials,
            store=store,
            timing=timing,
            on_first_refresh=on_first_refresh,
        )

    def report_to(self, survey: Survey) -> None:
        """Have a survey see every response from now on."""
        self._transport.survey = survey

    def require_api(self) -> None:
        """Ask without a token, which spends nothing; whatever HighQ's API says to that is fine.

        Raises what ends a run when it is not HighQ's API that responds, or when the API is closed to us.
        """
        request = self._list_request(1, 0)
        try:
            response = self._http.send(request)
        except ResponseLost as problem:
            raise HighQUnavailable(f"HighQ does not respond: {problem}") from None
        if classify(request.route, response).category not in {Category.ACCEPTED, Category.DENIED}:
            raise HighQUnavailable(
                f"{self._transport.host} answers {request.route.value} with {response}: check the "
                "instance's name in spec.highq.url, and endpoint"
            )

    def accounts(self) -> list[Account]:
        """Return what `read_into` gives, in a list."""
        return self.read_into(list)

    def read_into(self, begin: Callable[[], T]) -> T:
        """Give all users of the instance, of any status, each id once, to what `begin` makes.

        Rows without a usable id are passed over and counted in `skipped_accounts`.
        """
        sink, self.skipped_accounts = read_accounts(self._page, begin)
        if self.skipped_accounts:
            log.warning("HighQ lists users without a usable id", users=self.skipped_accounts)
        return sink

    def account_total(self) -> int:
        """Return how many users there are: one call, wherever HighQ tells it."""
        total = self._page(1, 0).total
        return len(self.accounts()) if total is None else total

    def upload(self, account_id: int, avatar: Avatar) -> None:
        """Give a user this picture; doing it twice is harmless.

        Raises UploadRefused when HighQ will never take it, UploadDenied, UploadRejected or UploadFailed
        when it did not this time, UploadUnconfirmed when nobody knows.
        """
        request = Request(_UPLOAD[self._endpoint], account_id=account_id, avatar=avatar)
        try:
            response = self._authorisation.send(request, probe=self._list_request(1, 0))
        except ResponseLost as problem:
            raise UploadUnconfirmed(
                "ResponseLost",
                f"the picture was sent to HighQ user {account_id}, but {problem}: "
                "see in HighQ whether it is there",
            ) from None
        result = classify(request.route, response)
        if result.category is Category.ACCEPTED:
            return
        if result.category is Category.REFUSED:
            raise UploadRefused(
                result.reason,
                f"HighQ refuses the picture for its user {account_id} ({response}): "
                f"{result.text}; replace it in the directory",
            )
        raise _failure(result.category, response)(
            result.reason,
            f"HighQ did not take the picture for its user {account_id} ({response}): "
            f"{result.text}; the next run tries again",
        )

    def shown_avatars(self, accounts: Iterable[Account]) -> Mapping[int, bytes]:
        """Return the pictures that HighQ shows now, by account id; of 500 accounts at the most.

        An account that has no picture by HighQ's list is not asked for, since HighQ would answer with a
        placeholder. Where the list does not say, what comes may be one. What HighQ does not give for one
        account is left out. The bytes are HighQ's own: not checked, small.
        """
        wanted = [account.id for account in accounts if account.has_picture is not False]
        with ThreadPoolExecutor(_SHOWN_AT_ONCE, thread_name_prefix="shown") as pool:
            shown = pool.map(self._shown_avatar, wanted[:MAX_SHOWN])
            found = zip(wanted, shown, strict=False)
            return {account_id: picture for account_id, picture in found if picture}

    def _shown_avatar(self, account_id: int) -> bytes | None:
        query = {"size": str(SHOWN_SIDE)}
        request = Request(Route.SHOWN_AVATAR, account_id=account_id, query=query)
        try:
            response = self._authorisation.send(request, probe=self._list_request(1, 0))
        except ResponseLost:
            return None
        is_picture = response.status == HTTPStatus.OK and response.body is Body.IMAGE
        return response.content if is_picture else None

    def renew_authorisation(self) -> None:
        """Get a new token pair, so that the refresh token does not expire unused."""
        self._authorisation.renew()

    def token_expiry(self) -> datetime | None:
        """Return when the refresh token runs out (UTC); None if unknown. Makes no request.

        Raises MissingReference, StateUnavailable, StateDamaged.
        """
        return self._authorisation.expiry()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _page(self, limit: int, offset: int) -> AccountPage:
        request = self._list_request(limit, offset)
        route = request.route
        try:
            response = self._authorisation.send(request)
        except ResponseLost as problem:
            raise HighQUnavailable(f"HighQ's users cannot be listed: {problem}") from None
        if classify(route, response).category is not Category.ACCEPTED:
            raise HighQUnavailable(
                f"HighQ's users cannot be listed: {self._transport.host} answers {route.value} with "
                f"{response}; check spec.highq.url and endpoint, or see whether HighQ is down"
            )
        try:
            return parse_page(response.document)
        except ValueError:
            raise HighQUnavailable(
                f"HighQ's users cannot be listed: {self._transport.host} answers {route.value} with "
                "something else; check spec.highq.url and endpoint"
            ) from None

    def _list_request(self, limit: int, offset: int) -> Request:
        route = _USERS[self._endpoint]
        query = {"limit": str(limit), "offset": str(offset)}
        if route is Route.PUBLISHER_USERS:
            query["fields"] = "all"  # the summary tells neither status nor external id
        return Request(route, query=query)


def _failure(category: Category, response: Response) -> type[UploadFailed]:
    """Tell whose fault it is: ours, this person's, or HighQ's own (and a gateway's, by its web page)."""
    if category is Category.REJECTED:
        return UploadRejected
    is_page = response.body is Body.HTML and response.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if category is Category.TRANSIENT or (category is Category.FAILED and is_page):
        return UploadFailed
    return UploadDenied
