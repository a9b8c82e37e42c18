"""Renewing the authorisation: what is asked, in which order, and what its refusals mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import pytest
from structlog.testing import capture_logs

from profile_image_sync.errors import (
    AuthorisationRefused,
    HighQUnavailable,
    StateUnavailable,
    SyncError,
)
from profile_image_sync.worker.highq.oauth import Authorisation, ClientCredentials
from profile_image_sync.worker.highq.refs import Route
from profile_image_sync.worker.highq.transport import Request
from profile_image_sync.worker.token_store import StoredTokens, fingerprint

from .fakes import START, MemoryTokenStore, MovedTime, calls_to, error

USERS = Request(Route.COLLABORATE_USERS)
SEED = "seed-secret"


class Endpoint:
    """A token endpoint that issues pairs 1, 2, 3 …, and an API that takes the newest one."""

    def __init__(self) -> None:
        self.refreshes: list[dict[str, str]] = []
        self.bearers: list[str] = []
        self.token_answers: list[httpx.Response | Exception] = []  # before it works again
        self.api_answers: list[httpx.Response] = []
        self.lifetimes: dict[str, object] = {"expires_in": 18000}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Response as prepared, else well."""
        if request.url.path != "/acme/api/oauth2/token":
            self.bearers.append(request.headers["authorization"])
            return self.api_answers.pop(0) if self.api_answers else httpx.Response(200)
        form = parse_qs(request.content.decode())
        self.refreshes.append({name: value for name, (value,) in form.items()})
        if self.token_answers:
            response = self.token_answers.pop(0)
            if isinstance(response, Exception):
                raise response
            return response
        number = len(self.refreshes)
        pair = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}"}
        return httpx.Response(200, content=json.dumps(pair | self.lifetimes).encode())


class Case:
    """An Authorisation with everything around it."""

    def __init__(self, stored: StoredTokens | None = None) -> None:
        self.time = MovedTime()
        self.endpoint = Endpoint()
        self.store = MemoryTokenStore(stored)
        self.seed = SEED
        self.authorisation = self.anew()

    def anew(self) -> Authorisation:
        """Build what the next run has."""
        return Authorisation(
            calls_to(self.endpoint, self.time),
            credentials=lambda: ClientCredentials("acme-oauth", "1012", "client-secret", self.seed),
            store=self.store,
            timing=self.time.timing(),
            on_first_refresh=lambda: self.store.asked.append("first refresh"),
        )

    def used(self) -> list[str]:
        """Tell which refresh tokens were spent."""
        return [form["refresh_token"] for form in self.endpoint.refreshes]


def stored(minutes: float = 60, *, seed: str = SEED) -> StoredTokens:
    """Return a pair from an earlier run, whose access token is good for so long."""
    expires = START + timedelta(minutes=minutes)
    return StoredTokens("access-0", expires, "refresh-0", None, fingerprint(seed))


def test_the_first_refresh_spends_the_seed() -> None:
    """Proven first, asked for, stored, and only then used."""
    case = Case()
    case.authorisation.send(USERS)
    assert case.endpoint.refreshes == [
        {
            "grant_type": "refresh_token",
            "client_id": "1012",
            "client_secret": "client-secret",
            "refresh_token": SEED,
        }
    ]
    assert case.store.asked == ["enter", "check_writable", "first refresh", "write", "leave"]
    assert case.store.stored == StoredTokens(
        "access-1", START + timedelta(hours=5), "refresh-1", None, fingerprint(SEED)
    )
    assert case.endpoint.bearers == ["Bearer access-1"]


def test_an_access_token_is_kept_over_runs() -> None:
    """While it is valid nothing is refreshed: each refresh is a risk."""
    case = Case(stored())
    case.authorisation.send(USERS)
    case.anew().send(USERS)
    assert case.endpoint.bearers == ["Bearer access-0"] * 2
    assert case.store.asked == []


def test_an_access_token_is_renewed_a_minute_before_it_ends() -> None:
    """With the refresh token stored, not the seed, which HighQ has forgotten."""
    case = Case(stored(minutes=1.5))
    case.authorisation.send(USERS)
    case.time.seconds += 31
    case.authorisation.send(USERS)
    assert case.endpoint.bearers == ["Bearer access-0", "Bearer access-1"]
    assert case.used() == ["refresh-0"]


def test_a_new_seed_starts_over() -> None:
    """An administrator who puts in another refreshToken wants it used, at once."""
    case = Case(stored(seed="the seed before"))
    case.authorisation.send(USERS)
    assert case.used() == [SEED]
    assert case.store.stored
    assert case.store.stored.seed == fingerprint(SEED)


def test_what_another_run_renewed_is_taken_over() -> None:
    """Two resources may share one Secret: the store knows better than our memory."""
    case = Case(stored())
    case.authorisation.send(USERS)
    case.store.stored = StoredTokens(
        "access-x", START + timedelta(hours=1), "refresh-x", None, fingerprint(SEED)
    )
    case.endpoint.api_answers = [error(403, 123)]
    case.authorisation.send(USERS)
    assert case.endpoint.bearers == ["Bearer access-0", "Bearer access-0", "Bearer access-x"]
    assert case.used() == []


def test_what_another_run_renews_while_we_wait_for_it_is_taken_over() -> None:
    """HighQ takes a refresh token once: the second of two runs must not spend it again."""
    case = Case(stored(minutes=-1))
    case.store.renewed_meanwhile = StoredTokens(
        "access-x", START + timedelta(hours=1), "refresh-x", None, fingerprint(SEED)
    )
    case.authorisation.send(USERS)
    assert case.endpoint.bearers == ["Bearer access-x"]
    assert case.used() == []


@pytest.mark.parametrize(("status", "ref"), [(401, 401), (403, 123)])
def test_a_denied_token_is_renewed_once(status: int, ref: int) -> None:
    """Expired tokens response 403 by one page of HighQ's, 401 by another."""
    case = Case(stored())
    case.endpoint.api_answers = [error(status, ref)]
    assert case.authorisation.send(USERS).status == 200
    assert case.used() == ["refresh-0"]


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "no system administrator"), (401, "token that it has just issued")],
)
def test_a_fresh_token_denied_ends_the_run(status: int, words: str) -> None:
    """The message says who must authorise again, and into which Secret the token goes."""
    case = Case(stored())
    case.endpoint.api_answers = [error(status), error(status)]
    with pytest.raises(AuthorisationRefused, match=rf"{words}.*authorise.*Secret acme-oauth"):
        case.authorisation.send(USERS)
    assert len(case.endpoint.refreshes) == 1


def oauth_error(status: int, code: str) -> httpx.Response:
    """Response as RFC 6749 says."""
    return httpx.Response(status, content=json.dumps({"error": code}).encode())


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (oauth_error(401, "invalid_client"), "clientId and clientSecret"),
        (oauth_error(400, "invalid_client"), "clientId and clientSecret"),
        (oauth_error(400, "unauthorized_client"), "clientId and clientSecret"),
        (error(401, 401), "clientId and clientSecret"),
        (oauth_error(400, "invalid_grant"), "revoked or used elsewhere .*authorize .*--replace"),
        (error(400, 400), "revoked or used elsewhere .*authorize .*--replace"),
        (error(403, 123), "registration is active"),
        (error(403, 51), "API is switched off"),
        (error(401, 53), "IP address we call from"),
    ],
)
def test_each_refusal_names_its_remedy(response: httpx.Response, words: str) -> None:
    """And nobody asks twice: HighQ may lock what keeps being wrong."""
    case = Case(stored(minutes=0))
    case.endpoint.token_answers = [response]
    for _ in range(2):
        with pytest.raises(AuthorisationRefused, match=words):
            case.authorisation.send(USERS)
    assert len(case.endpoint.refreshes) == 1


def test_an_expired_refresh_token_is_told_by_its_date() -> None:
    """HighQ said when it would end: then that is why."""
    case = Case()
    case.endpoint.lifetimes["refresh_token_expires_in"] = 86400
    case.authorisation.send(USERS)
    case.endpoint.token_answers = [oauth_error(400, "invalid_grant")]
    case.time.seconds += 86400 * 2
    with pytest.raises(AuthorisationRefused, match="which expired on 2026-03-02"):
        case.authorisation.send(USERS)


def test_a_refresh_token_that_should_be_valid_is_not_called_expired() -> None:
    """It was spent or revoked elsewhere: a date in the future would send people the wrong way."""
    case = Case()
    case.endpoint.lifetimes["refresh_token_expires_in"] = 86400 * 300
    case.authorisation.send(USERS)
    case.endpoint.token_answers = [oauth_error(400, "invalid_grant")]
    case.time.seconds += 86400
    with pytest.raises(AuthorisationRefused, match="works once: a copy in another") as caught:
        case.authorisation.send(USERS)
    assert "2026" not in str(caught.value)


@pytest.mark.parametrize("minutes", [-60, 60 * 24 * 300])
def test_a_pair_is_stored_whatever_lasts_longer(minutes: float) -> None:
    """A new seed's first pair replaces the old seed's, even if that one's access token lasts longer."""
    before = stored(minutes, seed="the seed before")
    case = Case(before)
    case.authorisation.send(USERS)
    assert case.store.replaced == [before]
    assert case.store.stored
    assert case.store.stored.refresh_token == "refresh-1"


def test_the_first_refresh_of_a_seed_is_announced() -> None:
    """At a terminal people are told before it: the refresh token in the Secret works once."""
    case = Case(stored(seed="the seed before"))
    case.authorisation.send(USERS)
    case.time.seconds += 86400
    case.authorisation.send(USERS)
    assert case.store.asked.count("first refresh") == 1
    assert case.store.asked.index("first refresh") < case.store.asked.index("write")


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(404, content=b"<html>"),
        httpx.Response(200, content=b"{}"),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b'{"access_token": "two words"}'),
        httpx.Response(200, content=b'{"access_token": 5}'),
    ],
)
def test_an_answer_that_is_no_pair_is_no_refusal(response: httpx.Response) -> None:
    """A wrong URL or a gateway's page: the refresh token may be as good as before."""
    case = Case(stored(minutes=0))
    case.endpoint.token_answers = [response] * 5
    with pytest.raises(HighQUnavailable, match=r"acme\.example"):
        case.authorisation.send(USERS)
    assert case.store.stored == stored(minutes=0)


def test_a_lost_answer_is_asked_for_again() -> None:
    """With the same refresh token: HighQ may not have heard us, or may be patient."""
    case = Case(stored(minutes=0))
    case.endpoint.token_answers = [httpx.ReadError("cut")]
    case.authorisation.send(USERS)
    assert case.used() == ["refresh-0", "refresh-0"]


def test_nothing_is_refreshed_where_nothing_can_be_kept() -> None:
    """The proof fails before HighQ forgets the old refresh token."""
    case = Case(stored(minutes=0))
    case.store.unwritable = True
    with pytest.raises(StateUnavailable):
        case.authorisation.send(USERS)
    assert case.endpoint.refreshes == []
    case.store.unwritable = False
    case.authorisation.send(USERS)
    assert case.used() == ["refresh-0"]


def test_a_new_pair_is_stored_with_patience() -> None:
    """A store that fails for a while, even after SIGTERM, costs seconds and no consent."""
    case = Case(stored(minutes=0))
    case.store.failing_writes = 20

    write = case.store.write

    def write_after_sigterm(tokens: StoredTokens, *, replaces: StoredTokens | None) -> None:
        case.time.set()
        write(tokens, replaces=replaces)

    case.store.write = write_after_sigterm  # type: ignore[method-assign]  # SIGTERM comes just then
    with pytest.raises(SyncError):  # the call itself no longer starts
        case.authorisation.send(USERS)
    assert case.store.stored
    assert case.store.stored.refresh_token == "refresh-1"
    assert case.endpoint.bearers == []


def test_a_pair_that_cannot_be_stored_is_not_used() -> None:
    """After a minute of trying the run ends; using the token would only hide the loss."""
    case = Case(stored(minutes=0))
    case.store.failing_writes = 1000
    for _ in range(2):
        with pytest.raises(StateUnavailable, match="new refresh token that could not be stored"):
            case.authorisation.send(USERS)
    assert len(case.endpoint.refreshes) == 1
    assert case.endpoint.bearers == []
    assert 59 <= case.time.seconds <= 62


@pytest.mark.parametrize(
    ("told", "days"),
    [(31_536_000, 365), ("86400", 1), (None, None), (-1, None), (0, None), ("never", None)],
)
def test_the_expiry_is_what_highq_says(told: object, days: int | None) -> None:
    """In days from the refresh; unknown where HighQ does not say."""
    case = Case()
    case.endpoint.lifetimes["refresh_token_expires_in"] = told
    assert case.authorisation.expiry() is None
    case.authorisation.send(USERS)
    expected = None if days is None else START + timedelta(days=days)
    assert case.authorisation.expiry() == expected
    assert case.anew().expiry() == expected


def test_the_expiry_of_another_seed_is_not_told() -> None:
    """A pair of the seed before says nothing about this one."""
    tokens = stored(seed="the seed before")
    case = Case(
        StoredTokens(tokens.access_token, tokens.access_expires_at, "r", START, tokens.seed)
    )
    assert case.authorisation.expiry() is None


@pytest.mark.parametrize("told", [None, "soon", 1e99, [1]])
def test_a_lifetime_that_is_missing_counts_as_the_shortest(told: object) -> None:
    """Half an hour, by HighQ's pages; a 403 would tell us earlier."""
    case = Case()
    case.endpoint.lifetimes["expires_in"] = told
    case.authorisation.send(USERS)
    assert case.store.stored
    assert case.store.stored.access_expires_at == START + timedelta(minutes=30)


def test_a_refresh_token_that_stays_is_kept() -> None:
    """RFC 6749 lets a server leave it out when it does not change."""
    case = Case(stored(minutes=0))
    body = b'{"access_token": "access-1", "expires_in": 1800}'
    case.endpoint.token_answers = [httpx.Response(200, content=body)]
    case.authorisation.send(USERS)
    assert case.store.stored
    assert case.store.stored.refresh_token == "refresh-0"


def spoil_nothing(_case: Case) -> None:
    """Let everything go well."""


def spoil_client(case: Case) -> None:
    """Let the refresh be refused, with a response that quotes what it was given."""
    body = {"error": "invalid_client", "error_description": "client-secret refresh-0"}
    case.endpoint.token_answers = [httpx.Response(401, content=json.dumps(body).encode())]


def spoil_store(case: Case) -> None:
    """Let the store fail."""
    case.store.failing_writes = 1000


def spoil_answers(case: Case) -> None:
    """Let every response get lost, with errors that quote the request."""
    case.endpoint.token_answers = [httpx.ReadError("refresh-0 client-secret")] * 5


def spoil_rights(case: Case) -> None:
    """Let the user be nobody."""
    case.endpoint.api_answers = [error(403, 123, "access-1")] * 2


@pytest.mark.parametrize(
    "spoil", [spoil_nothing, spoil_client, spoil_store, spoil_answers, spoil_rights]
)
def test_no_secret_is_ever_told(spoil: Callable[[Case], None]) -> None:
    """Not in a message, a repr, a cause, nor a log line."""
    case = Case(stored(minutes=0))
    spoil(case)
    told: list[object] = []
    with capture_logs() as logs:
        try:
            case.authorisation.send(USERS)
        except SyncError as problem:
            shown: BaseException | None = problem
            while shown:
                told += [str(shown), repr(shown), shown.args]
                shown = None if shown.__suppress_context__ else shown.__cause__ or shown.__context__
    told += [
        logs,
        case.store.stored,
        case.authorisation,
        ClientCredentials("n", "1", "cs-secret", "x"),
    ]
    for secret in ("client-secret", "cs-secret", SEED, "refresh-0", "access-1", "refresh-1"):
        assert secret not in repr(told)
