"""Access and refresh tokens of one HighQ registration: when to refresh, and in which order.

HighQ has no machine-to-machine grant: an administrator must authorise once (API page "API access
mechanism using OAuth2"). Each refresh invalidates the refresh token before it, so a new pair is stored
before it is used; in another order a crash would cost a new consent. Knows no API call but the refresh.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import Lock

import structlog

from profile_image_sync.errors import (
    AuthorisationExpired,
    AuthorisationRefused,
    HighQUnavailable,
    StateUnavailable,
)
from profile_image_sync.worker.highq.refs import Category, Route, classify
from profile_image_sync.worker.highq.responses import Response
from profile_image_sync.worker.highq.retrying import RetryingClient
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.highq.transport import Request, ResponseLost
from profile_image_sync.worker.token_store import (
    StoredTokens,
    TokenStore,
    descendant,
    fingerprint,
    stored_expiry,
)

MARGIN = timedelta(seconds=60)  # an access token is renewed so long before it runs out
SHORTEST_LIFETIME = 1800.0  # seconds; the shortest that HighQ offers; for a response that has none
LONGEST_LIFETIME = 10 * 365 * 86_400.0  # seconds; what lasts longer has no end worth telling
STORE_SECONDS = 60.0  # how long storing a new pair is tried
_CLIENT_REFUSED = ("invalid_client", "unauthorized_client")  # RFC 6749, 5.2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What the credentials Secret holds: the API application registration and the seed."""

    secret: str  # the Secret's name, for messages
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


class Authorisation:
    """Hands out access tokens. Used by many threads: one refreshes, the others wait."""

    def __init__(
        self,
        http: RetryingClient,
        *,
        credentials: Callable[[], ClientCredentials],
        store: TokenStore,
        timing: Timing,
        on_first_refresh: Callable[[], None],
    ) -> None:
        """Take how to call HighQ, how to read the Secret (anew each time), and where pairs are stored.

        `on_first_refresh` is called just before the seed of the Secret is spent.
        """
        self._http = http
        self._credentials = credentials
        self._store = store
        self._timing = timing
        self._on_first_refresh = on_first_refresh
        self._lock = Lock()
        self._tokens: StoredTokens | None = None
        self._final_error: AuthorisationRefused | StateUnavailable | None = None

    def send(self, request: Request, probe: Request | None = None) -> Response:
        """Send with a valid token; when HighQ denies it, once more with a new one.

        `probe` is a call that any good token may make: where it succeeds, the denial is about what
        was asked, not about us, and is returned. Raises AuthorisationRefused for any other denial,
        and what RetryingClient.send and a refresh raise: ResponseLost, HighQUnavailable, HighQUntrusted,
        MissingReference, StateUnavailable, StateDamaged, Interrupted.
        """
        token = self._token()
        response = self._http.send(request, token)
        if not _is_denied(request, response):
            return response
        if probe and self._is_good(token, probe):
            log.info("HighQ denied one request", route=request.route.value, response=str(response))
            return response
        log.info("HighQ denied the access token", route=request.route.value, response=str(response))
        response = self._http.send(request, self._token(denied=token))
        if _is_denied(request, response):
            raise self._not_admin(response)
        return response

    def _is_good(self, token: str, probe: Request) -> bool:
        return not _is_denied(probe, self._http.send(probe, token))

    def renew(self) -> None:
        """Refresh now, however long the access token lasts, unless another run is about it.

        A refresh token that is not used in time expires. Raises what a refresh raises.
        """
        with self._lock:
            stored = descendant(self._store.read(), self._credentials().refresh_token)
            self._tokens = self._refreshed(denied=stored.access_token if stored else None)

    def expiry(self) -> datetime | None:
        """Return when the refresh token runs out; None if HighQ did not say. Makes no request."""
        with self._lock:
            if self._tokens:
                return self._tokens.refresh_expires_at
        return stored_expiry(self._store, self._credentials().refresh_token)

    def _token(self, denied: str | None = None) -> str:
        """Return an access token good for another minute, other than the one just `denied`."""
        with self._lock:
            if self._final_error:  # asking again what was refused locks accounts
                raise type(self._final_error)(str(self._final_error))
            if self._tokens is None or not self._is_usable(self._tokens, denied):
                self._tokens = self._refreshed(denied)
            return self._tokens.access_token

    def _is_usable(self, tokens: StoredTokens, denied: str | None) -> bool:
        lasts = tokens.access_expires_at - self._timing.now() > MARGIN
        return lasts and tokens.access_token != denied

    def _refreshed(self, denied: str | None) -> StoredTokens:
        """Return a usable pair: stored from the last run, renewed by another run, or renewed now."""
        stored = descendant(self._store.read(), self._credentials().refresh_token)
        if stored and self._is_usable(stored, denied):
            return stored
        with self._store.exclusive():
            credentials = self._credentials()
            latest = self._store.read()
            stored = descendant(latest, credentials.refresh_token)
            if stored and self._is_usable(stored, denied):
                return stored
            self._store.check_writable()
            if stored is None:
                self._on_first_refresh()
            try:
                tokens = self._refresh(credentials, stored)
                self._store_pair(tokens, latest)
            except (AuthorisationRefused, StateUnavailable) as error:
                self._final_error = error
                raise
        log.info("HighQ authorisation renewed", secret=credentials.secret, from_seed=stored is None)
        return tokens

    def _refresh(self, credentials: ClientCredentials, stored: StoredTokens | None) -> StoredTokens:
        """Ask for a new pair. A response that got lost is asked for again with the same token."""
        refresh_token = stored.refresh_token if stored else credentials.refresh_token
        form = {
            "grant_type": "refresh_token",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "refresh_token": refresh_token,
        }
        asked_at = self._timing.now()
        try:
            response = self._http.send(Request(Route.TOKEN, form=form))
        except ResponseLost as problem:
            raise HighQUnavailable(f"the authorisation was not renewed: {problem}") from None
        if classify(Route.TOKEN, response).category is not Category.ACCEPTED:
            raise self._refresh_error(response, credentials, stored)
        issued = _document(response)
        access_token = issued.get("access_token")
        if not isinstance(access_token, str) or not re.fullmatch("[!-~]+", access_token):
            raise HighQUnavailable(f"{self._http.host} renewed the authorisation without a token")
        access_seconds = _seconds(issued.get("expires_in")) or SHORTEST_LIFETIME
        refresh_seconds = _seconds(issued.get("refresh_token_expires_in"))
        return StoredTokens(
            access_token=access_token,
            access_expires_at=asked_at + timedelta(seconds=access_seconds),
            refresh_token=str(issued.get("refresh_token") or refresh_token),
            refresh_expires_at=(
                asked_at + timedelta(seconds=refresh_seconds) if refresh_seconds else None
            ),
            seed=fingerprint(credentials.refresh_token),
        )

    def _store_pair(self, tokens: StoredTokens, latest: StoredTokens | None) -> None:
        """Store the new pair, whatever it takes: HighQ has forgotten the old one. SIGTERM waits."""
        deadline = self._timing.monotonic() + STORE_SECONDS
        while True:
            try:
                return self._store.write(tokens, replaces=latest)
            except StateUnavailable as error:
                if self._timing.monotonic() >= deadline:
                    raise StateUnavailable(
                        f"HighQ handed out a new refresh token that could not be stored: {error}"
                    ) from error
                log.error("the new HighQ tokens are not stored yet", problem=str(error))  # noqa: TRY400
                self._timing.sleep(1.0)

    def _refresh_error(
        self, response: Response, credentials: ClientCredentials, stored: StoredTokens | None
    ) -> AuthorisationRefused | HighQUnavailable:
        """Tell why there is no new pair, and who mends it. Only RFC 6749's own words are looked at."""
        secret, code = f"Secret {credentials.secret}", _document(response).get("error")
        if response.status == HTTPStatus.UNAUTHORIZED or code in _CLIENT_REFUSED:
            return AuthorisationRefused(
                f"HighQ refuses the client ({response}): put clientId and clientSecret of the API "
                f"application registration into {secret}"
            )
        if response.status == HTTPStatus.BAD_REQUEST:
            return AuthorisationExpired(
                f"HighQ refuses the refresh token ({response}), which {self._why_refused(stored)}: "
                + _authorise_again(credentials)
            )
        if response.status == HTTPStatus.FORBIDDEN:
            return AuthorisationRefused(
                f"HighQ refuses to renew the authorisation of {secret} ({response}): check that the "
                "API application registration is active and that its user may still log in"
            )
        return HighQUnavailable(
            f"{self._http.host} answers {Route.TOKEN.value} with {response}: check spec.highq.url"
        )

    def _why_refused(self, stored: StoredTokens | None) -> str:
        expiry = stored.refresh_expires_at if stored else None
        if expiry and expiry <= self._timing.now():
            return f"expired on {expiry:%Y-%m-%d}"
        return (
            "was revoked or used elsewhere (it works once: a copy in another namespace, in a restored "
            "cluster or in a trial spends it)"
        )

    def _not_admin(self, response: Response) -> AuthorisationRefused:
        """Tell why a fresh token is denied."""
        credentials = self._credentials()
        if response.status == HTTPStatus.UNAUTHORIZED:
            why = f"HighQ denies an access token that it has just issued ({response}): "
        else:
            why = f"the HighQ user who authorised us is no system administrator ({response}): "
        return AuthorisationRefused(why + _authorise_again(credentials))


def _is_denied(request: Request, response: Response) -> bool:
    return classify(request.route, response).category is Category.DENIED


def _authorise_again(credentials: ClientCredentials) -> str:
    return (
        "let a HighQ system administrator authorise the client anew in a browser, which makes Secret "
        f"{credentials.secret} anew: `profile-image-sync authorize --url URL --client-id ID --name "
        f"{credentials.secret} --apply --replace`"
    )


def _document(response: Response) -> Mapping[str, object]:
    return response.document if isinstance(response.document, dict) else {}


def _seconds(value: object) -> float | None:
    """Read a lifetime; HighQ may spell numbers as text, and "for ever" in ways of its own."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if 0 < seconds <= LONGEST_LIFETIME else None
