"""The one consent that HighQ needs from a person: the browser's address, and the code traded for tokens.

Apart from oauth.py, which keeps an authorisation alive and never needs a person: this begins one. No
browser and no listener here; who has the code does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

from profile_image_sync.errors import AuthorisationRefused, HighQUnavailable
from profile_image_sync.worker.highq.rate_limiter import RateLimiter
from profile_image_sync.worker.highq.refs import Category, Route, classify
from profile_image_sync.worker.highq.retrying import RetryingClient
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.highq.transport import Request, ResponseLost, Transport


@dataclass(frozen=True, slots=True)
class Registration:
    """An API application registration of one HighQ instance."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect: str  # where HighQ sends the browser


@dataclass(frozen=True, slots=True)
class Redirect:
    """What HighQ's redirect says."""

    code: str = field(repr=False)
    state: str | None  # HighQ does not return it

    @classmethod
    def read(cls, address: str) -> Self | None:
        """Read the address that the browser was sent to; None if there is no code in it."""
        try:
            query = parse_qs(urlsplit(address.strip()).query)
        except ValueError:
            return None
        codes = query.get("code", [])
        return cls(codes[0], query.get("state", [None])[0]) if codes else None


class Consent:
    """One authorisation, from the browser to the refresh token."""

    def __init__(
        self, registration: Registration, *, state: str, timing: Timing, ca: str | None = None
    ) -> None:
        """`state` is random; nothing is called yet. Raises HighQUntrusted for an unreadable `ca`."""
        self._registration = registration
        self._state = state
        self._transport = Transport(registration.url, ca=ca, timing=timing)
        self._http = RetryingClient(self._transport, RateLimiter(timing, None), timing)

    @property
    def address(self) -> str:
        """What an administrator opens in a browser."""
        query = {
            "response_type": "code",
            "client_id": self._registration.client_id,
            "redirect_uri": self._registration.redirect,
            "state": self._state,
        }
        return f"{self._registration.url.rstrip('/')}/authorize.action?{urlencode(query)}"

    def accepts(self, redirect: Redirect) -> bool:
        """Tell whether a redirect is the answer to this consent: a wrong state is somebody else's."""
        return redirect.state in {None, self._state}

    def refresh_token(self, code: str) -> str:
        """Trade the code for tokens; return the refresh token, if its user is an administrator.

        Raises AuthorisationRefused, HighQUnavailable, HighQUntrusted, ProxyRefused, Interrupted.
        """
        issued = self._trade(code)
        access, refresh = issued.get("access_token"), issued.get("refresh_token")
        if not isinstance(access, str) or not isinstance(refresh, str):
            raise HighQUnavailable(f"{self._http.host} answers the code without a pair of tokens")
        self._require_administrator(access)
        return refresh

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _trade(self, code: str) -> Mapping[str, object]:
        form = {
            "grant_type": "authorization_code",
            "client_id": self._registration.client_id,
            "client_secret": self._registration.client_secret,
            "code": code,
        }
        try:
            response = self._http.send(Request(Route.TOKEN, form=form))
        except ResponseLost as problem:
            raise HighQUnavailable(f"the code was not traded for tokens: {problem}") from None
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise AuthorisationRefused(
                f"HighQ refuses the client ({response}): check the client id and the client secret of the "
                "API application registration"
            )
        if classify(Route.TOKEN, response).category is not Category.ACCEPTED:
            raise AuthorisationRefused(
                f"HighQ refuses the code ({response}): it works once and for 30 minutes; run authorize again"
            )
        return response.document if isinstance(response.document, dict) else {}

    def _require_administrator(self, access_token: str) -> None:
        request = Request(Route.COLLABORATE_USERS, query={"limit": "1", "offset": "0"})
        try:
            response = self._http.send(request, access_token)
        except ResponseLost as problem:
            raise HighQUnavailable(f"HighQ's users cannot be listed: {problem}") from None
        category = classify(request.route, response).category
        if category is Category.DENIED:
            raise AuthorisationRefused(
                f"the HighQ user who allowed this is no system administrator ({response}): HighQ does not "
                "list its users to them; sign in as one in a private window and run authorize again"
            )
        if category is not Category.ACCEPTED:
            raise HighQUnavailable(
                f"{self._http.host} answers {request.route.value} with {response}: check the URL"
            )
