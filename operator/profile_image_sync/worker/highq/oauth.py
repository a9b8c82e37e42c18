"""Keeps one HighQ authorisation alive: access tokens in use, refresh tokens that change each time.

HighQ knows no grant without a person (API page "API access mechanism using OAuth2") and forgets a
refresh token when it hands out the next one, so a new pair is stored before it is used. Knows
nothing of what the tokens are for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import Lock

import structlog

from profile_image_sync.errors import AuthorisationRefused, HighQUnavailable, StateUnavailable
from profile_image_sync.worker.highq.clock import Timing
from profile_image_sync.worker.highq.refs import Call, Kind, classify
from profile_image_sync.worker.highq.responses import Answer
from profile_image_sync.worker.highq.retrying import Calls
from profile_image_sync.worker.highq.transport import Request, ResponseLost
from profile_image_sync.worker.token_store import StoredTokens, TokenStore, fingerprint

MARGIN = timedelta(seconds=60)  # an access token is renewed so long before it runs out
SHORTEST_LIFETIME = 1800.0  # seconds; the shortest that HighQ offers, for an answer that says none
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
    """Hands out access tokens. Used by many threads: one refreshes, the others wait for it."""

    def __init__(
        self,
        calls: Calls,
        *,
        credentials: Callable[[], ClientCredentials],
        store: TokenStore,
        timing: Timing,
    ) -> None:
        """Take how to call HighQ, where the Secret is read anew each time, and where pairs are kept."""
        self._calls = calls
        self._credentials = credentials
        self._store = store
        self._timing = timing
        self._lock = Lock()
        self._tokens: StoredTokens | None = None
        self._end: AuthorisationRefused | StateUnavailable | None = None

    def send(self, request: Request, probe: Request | None = None) -> Answer:
        """Send with a valid token; when HighQ denies it, once more with a new one.

        `probe` is a call that any good token may make: where it succeeds, the denial is about what
        was asked, not about us, and is returned. Raises AuthorisationRefused for any other denial,
        and what Calls.send and a refresh raise: ResponseLost, HighQUnavailable, HighQUntrusted,
        MissingReference, StateUnavailable, StateDamaged, Interrupted.
        """
        token = self._token()
        answer = self._calls.send(request, token)
        if not _is_denied(request, answer):
            return answer
        if probe and self._is_good(token, probe):
            log.info("HighQ denied one request", call=request.call.value, answer=str(answer))
            return answer
        log.info("HighQ denied the access token", call=request.call.value, answer=str(answer))
        answer = self._calls.send(request, self._token(denied=token))
        if _is_denied(request, answer):
            raise self._powerless(answer)
        return answer

    def _is_good(self, token: str, probe: Request) -> bool:
        return not _is_denied(probe, self._calls.send(probe, token))

    def expiry(self) -> datetime | None:
        """Return when the refresh token runs out; None if HighQ did not say. Calls nobody."""
        with self._lock:
            tokens = self._tokens or self._kept(self._credentials())
            return tokens.refresh_expires_at if tokens else None

    def _token(self, denied: str | None = None) -> str:
        """Return an access token good for another minute, other than the one just `denied`."""
        with self._lock:
            if self._end:  # asking again what was refused locks accounts
                raise type(self._end)(str(self._end))
            if self._tokens is None or not self._is_usable(self._tokens, denied):
                self._tokens = self._renewed(denied)
            return self._tokens.access_token

    def _is_usable(self, tokens: StoredTokens, denied: str | None) -> bool:
        lasts = tokens.access_expires_at - self._timing.now() > MARGIN
        return lasts and tokens.access_token != denied

    def _kept(self, credentials: ClientCredentials) -> StoredTokens | None:
        """Return the pair kept from before, unless an administrator has put in another seed since."""
        kept = self._store.read()
        return kept if kept and kept.seed == fingerprint(credentials.refresh_token) else None

    def _renewed(self, denied: str | None) -> StoredTokens:
        """Return a usable pair: kept from the last run, renewed by another run, or renewed now."""
        kept = self._kept(self._credentials())
        if kept and self._is_usable(kept, denied):
            return kept
        with self._store.exclusive():
            credentials = self._credentials()
            kept = self._kept(credentials)
            if kept and self._is_usable(kept, denied):
                return kept
            self._store.check_writable()
            try:
                tokens = self._refresh(credentials, kept)
                self._keep(tokens)
            except (AuthorisationRefused, StateUnavailable) as error:
                self._end = error
                raise
        log.info("HighQ authorisation renewed", secret=credentials.secret, from_seed=kept is None)
        return tokens

    def _refresh(self, credentials: ClientCredentials, kept: StoredTokens | None) -> StoredTokens:
        """Ask for a new pair. An answer that got lost is asked for again with the same token."""
        refresh_token = kept.refresh_token if kept else credentials.refresh_token
        form = {
            "grant_type": "refresh_token",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "refresh_token": refresh_token,
        }
        asked_at = self._timing.now()
        try:
            answer = self._calls.send(Request(Call.TOKEN, form=form))
        except ResponseLost as problem:
            raise HighQUnavailable(f"the authorisation was not renewed: {problem}") from None
        if classify(Call.TOKEN, answer).kind is not Kind.ACCEPTED:
            raise self._no_renewal(answer, credentials, kept)
        issued = _document(answer.body)
        access_token = issued.get("access_token")
        if not isinstance(access_token, str) or not re.fullmatch("[!-~]+", access_token):
            raise HighQUnavailable(f"{self._calls.host} renewed the authorisation without a token")
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

    def _keep(self, tokens: StoredTokens) -> None:
        """Store the new pair, whatever it takes: HighQ has forgotten the old one. SIGTERM waits."""
        deadline = self._timing.monotonic() + STORE_SECONDS
        while True:
            try:
                return self._store.write(tokens)
            except StateUnavailable as error:
                if self._timing.monotonic() >= deadline:
                    raise StateUnavailable(
                        f"HighQ handed out a new refresh token that could not be kept: {error}"
                    ) from error
                log.error("the new HighQ tokens are not stored yet", problem=str(error))  # noqa: TRY400
                self._timing.sleep(1.0)

    def _no_renewal(
        self, answer: Answer, credentials: ClientCredentials, kept: StoredTokens | None
    ) -> AuthorisationRefused | HighQUnavailable:
        """Tell why there is no new pair, and who mends it. Only RFC 6749's own words are looked at."""
        secret, code = f"Secret {credentials.secret}", _document(answer.body).get("error")
        if answer.status == HTTPStatus.UNAUTHORIZED or code in _CLIENT_REFUSED:
            return AuthorisationRefused(
                f"HighQ refuses the client ({answer}): put clientId and clientSecret of the API "
                f"application registration into {secret}"
            )
        if answer.status == HTTPStatus.BAD_REQUEST:
            expiry = kept.refresh_expires_at if kept else None
            ended = f"ended on {expiry:%Y-%m-%d}" if expiry else "used up, revoked or expired"
            return AuthorisationRefused(
                f"HighQ refuses the refresh token ({answer}), which is {ended}: "
                + _authorise_again(credentials)
            )
        if answer.status == HTTPStatus.FORBIDDEN:
            return AuthorisationRefused(
                f"HighQ refuses to renew the authorisation of {secret} ({answer}): check that the "
                "API application registration is active and that its user may still log in"
            )
        return HighQUnavailable(
            f"{self._calls.host} answers {Call.TOKEN.value} with {answer}: check spec.highq.url"
        )

    def _powerless(self, answer: Answer) -> AuthorisationRefused:
        """Tell why a fresh token is denied."""
        credentials = self._credentials()
        if answer.status == HTTPStatus.UNAUTHORIZED:
            why = f"HighQ denies an access token that it has just issued ({answer}): "
        else:
            why = f"the HighQ user who authorised us is no system administrator ({answer}): "
        return AuthorisationRefused(why + _authorise_again(credentials))


def _is_denied(request: Request, answer: Answer) -> bool:
    return classify(request.call, answer).kind is Kind.DENIED


def _authorise_again(credentials: ClientCredentials) -> str:
    return (
        "let a HighQ system administrator authorise the client anew in a browser "
        f"(docs/authorise.md), and put the new refreshToken into Secret {credentials.secret}"
    )


def _document(body: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _seconds(value: object) -> float | None:
    """Read a lifetime; HighQ may spell numbers as text, and "for ever" in ways of its own."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if 0 < seconds <= LONGEST_LIFETIME else None
