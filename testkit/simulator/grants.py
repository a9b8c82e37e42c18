"""OAuth 2.0 as HighQ does it: single-use codes, token pairs, rotation. No HTTP.

All tokens are in one table, by their secret; `name` is what the audit shows of one.
"""

from __future__ import annotations

import secrets
from collections.abc import Container, Mapping
from ipaddress import ip_address, ip_network
from typing import Literal, NamedTuple
from urllib.parse import urlencode

from pydantic import BaseModel

from .schema import ClientSettings, Knobs, TokenPair

CODE_LIFETIME = 1800  # seconds

# grant type -> what it spends, and in which field that comes
SPENT_BY: Mapping[str, tuple[Literal["code", "refresh"], str]] = {
    "authorization_code": ("code", "code"),
    "refresh_token": ("refresh", "refresh_token"),
}


class OAuthError(Exception):
    """The token endpoint says no, in RFC 6749's words."""

    def __init__(self, status: int, error: str) -> None:
        """`error` is RFC 6749's code, such as invalid_grant."""
        super().__init__(error)
        self.status = status
        self.error = error


class Grant(NamedTuple):
    """A granted token request: the new pair, the client it went to and the user it acts as."""

    pair: TokenPair
    client: ClientSettings
    user_id: int


class Token(BaseModel):
    """A code, an access token or a refresh token; `expires` is on the instance's clock."""

    kind: Literal["code", "access", "refresh"]
    name: str
    client_id: str
    user_id: int
    expires: float
    pair: str = ""  # refresh: the access token that came with it


class Authorisations(BaseModel):
    """All clients and tokens of one instance."""

    clients: dict[str, ClientSettings]
    tokens: dict[str, Token] = {}
    issued: int = 0

    def authorise(self, client_id: str, redirect_uri: str, user_id: int, now: float) -> str | None:
        """Return where the browser goes with its code, or None if client or address is wrong."""
        client = self.clients.get(client_id)
        if client is None or (
            client.redirect_uri and redirect_uri not in {"", client.redirect_uri}
        ):
            return None
        target = redirect_uri or client.redirect_uri
        if not target:
            return None
        code = secrets.token_hex(16)
        self._add("code", code, client, user_id, expires=now + CODE_LIFETIME)
        return f"{target}{'&' if '?' in target else '?'}{urlencode({'code': code})}"

    def grant(self, form: Mapping[str, str], knobs: Knobs, now: float) -> Grant:
        """Answer a token request with a new pair, or raise OAuthError.

        The spent code or refresh token dies; so does the old access token, unless a knob says no.
        """
        client = self.clients.get(form.get("client_id", ""))
        if client is None or client.client_secret != form.get("client_secret"):
            raise OAuthError(401, "invalid_client")
        if "grant_type" not in form:
            raise OAuthError(400, "invalid_request")
        if form["grant_type"] not in SPENT_BY:
            raise OAuthError(400, "unsupported_grant_type")
        kind, field = SPENT_BY[form["grant_type"]]
        if field not in form:
            raise OAuthError(400, "invalid_request")
        spent = self.tokens.get(form[field])
        if (
            spent is None
            or spent.kind != kind
            or spent.client_id != client.client_id
            or spent.expires <= now
        ):
            raise OAuthError(400, "invalid_grant")
        self._spend(form[field], spent, knobs, now)
        return Grant(self.issue(client, spent.user_id, now), client, spent.user_id)

    def issue(self, client: ClientSettings, user_id: int, now: float) -> TokenPair:
        """Make a new pair for a client and the user it acts as."""
        pair = TokenPair(access_token=secrets.token_hex(20), refresh_token=secrets.token_hex(20))
        expires = now + client.access_lifetime
        self._add("access", pair.access_token, client, user_id, expires=expires)
        self.register(client, pair.refresh_token, user_id, now, pair.access_token)
        return pair

    def register(
        self, client: ClientSettings, refresh_token: str, user_id: int, now: float, pair: str = ""
    ) -> None:
        """Make a refresh token known."""
        expires = now + client.refresh_lifetime
        self._add("refresh", refresh_token, client, user_id, expires=expires, pair=pair)

    def access(self, secret: str) -> Token | None:
        """Return the access token's record, also when it has expired; None if unknown."""
        token = self.tokens.get(secret)
        return token if token is not None and token.kind == "access" else None

    def admits(self, client_id: str, address: str) -> bool:
        """Tell whether the registration's list of addresses, if any, holds this one."""
        allowed = self.clients[client_id].allowed_addresses
        return not allowed or any(
            ip_address(address) in ip_network(network, strict=False) for network in allowed
        )

    def revoke(self, kinds: Container[str]) -> None:
        """Forget all tokens of these kinds."""
        self.tokens = {
            secret: token for secret, token in self.tokens.items() if token.kind not in kinds
        }

    def expire(self, kinds: Container[str], now: float) -> None:
        """Let all tokens of these kinds run out now."""
        for token in self.tokens.values():
            if token.kind in kinds:
                token.expires = min(token.expires, now)

    def _spend(self, secret: str, spent: Token, knobs: Knobs, now: float) -> None:
        if spent.kind == "refresh" and knobs.refresh_grace:
            spent.expires = min(spent.expires, now + knobs.refresh_grace)
        else:
            del self.tokens[secret]
        if not knobs.old_access_stays_valid:
            self.tokens.pop(spent.pair, None)

    def _add(
        self,
        kind: Literal["code", "access", "refresh"],
        secret: str,
        client: ClientSettings,
        user_id: int,
        *,
        expires: float,
        pair: str = "",
    ) -> None:
        self.issued += 1
        self.tokens[secret] = Token(
            kind=kind,
            name=f"{kind}-{self.issued}",
            client_id=client.client_id,
            user_id=user_id,
            expires=expires,
            pair=pair,
        )
