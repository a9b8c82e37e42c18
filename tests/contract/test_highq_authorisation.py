"""OAuth against the simulator: rotation, lost pairs, refusals with their remedy."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from profile_image_sync.errors import (
    AuthorisationExpired,
    AuthorisationRefused,
    Interrupted,
    StateUnavailable,
)
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.worker.token_store import StoredTokens
from testkit.pictures import jpeg, portrait
from testkit.simulator.process import Simulator
from testkit.simulator.samples import people
from testkit.simulator.schema import ClientSettings
from tests.support.highq_session import HighQSession, ready

PICTURE = jpeg(portrait("P", 1, 320, 320))


@pytest.fixture
def session(simulator: Simulator, tmp_path: Path) -> HighQSession:
    """Twenty users, and an administrator who authorised us."""
    return HighQSession.at(simulator, simulator.create_instance(users=people(20)), tmp_path)


def run(session: HighQSession) -> None:
    """Route HighQ once, as the next run would."""
    with session.open() as highq:
        highq.account_total()


def stored(session: HighQSession) -> StoredTokens:
    """Return the pair in the store."""
    tokens = session.store.read()
    assert tokens
    return tokens


def test_tokens_rotate_from_run_to_run(session: HighQSession) -> None:
    """Each refresh spends the token of the one before; in between, runs refresh nothing."""
    spent = {session.credentials.refresh_token}
    for refreshes in range(1, 4):
        run(session)
        run(session)
        assert session.refreshes() == refreshes
        assert stored(session).refresh_token not in spent
        spent.add(stored(session).refresh_token)
        session.instance.expire_tokens()
    assert {entry.status for entry in session.instance.audit(operation="token")} == {200}


def test_a_consent_given_in_the_browser_is_where_it_begins(session: HighQSession) -> None:
    """The refresh token that the browser flow makes is a seed like any other."""
    session.replace_seed(session.instance.authorise().refresh_token)
    run(session)
    assert stored(session).refresh_expires_at


class WatchedStore(FolderTokenStore):
    """Notes how many requests had been made when a pair was stored."""

    session: HighQSession
    calls_before: list[int]

    def write(self, tokens: StoredTokens, *, replaces: StoredTokens | None) -> None:
        """See TokenStore."""
        self.calls_before.append(len(self.session.instance.audit(operation="list")))
        super().write(tokens, replaces=replaces)


def test_a_new_pair_is_stored_before_it_is_used(session: HighQSession, tmp_path: Path) -> None:
    """A run killed at any moment leaves a refresh token that works."""
    store = WatchedStore(tmp_path)
    store.session, store.calls_before = session, []
    session.store = store
    run(session)
    assert store.calls_before == [0]
    assert len(session.instance.audit(operation="list")) == 1


class Killed(BaseException):
    """The process ends here."""


class KilledStore(FolderTokenStore):
    """A process that dies between HighQ's response and the write."""

    def write(self, tokens: StoredTokens, *, replaces: StoredTokens | None) -> None:  # noqa: ARG002
        """Never return."""
        raise Killed


def test_a_pair_lost_in_between_is_told_with_its_remedy(
    session: HighQSession, tmp_path: Path
) -> None:
    """Nobody can bring the new refresh token back: a new consent is needed, and then it works."""
    run(session)
    session.instance.expire_tokens()
    session.store = KilledStore(tmp_path)
    with pytest.raises(Killed):
        run(session)
    session.store = FolderTokenStore(tmp_path)
    with pytest.raises(AuthorisationExpired, match=r"profile-image-sync authorize.*highq-oauth"):
        run(session)
    session.replace_seed(session.instance.authorise().refresh_token)
    run(session)


def test_a_patient_highq_heals_a_lost_pair(session: HighQSession, tmp_path: Path) -> None:
    """Where used refresh tokens still work for a while, the next run just asks again."""
    session.instance.knobs(refresh_grace=600)
    session.store = KilledStore(tmp_path)
    with pytest.raises(Killed):
        run(session)
    session.store = FolderTokenStore(tmp_path)
    run(session)


@pytest.mark.parametrize("grace", [0, 600])
@pytest.mark.parametrize("kind", ["cut", "stall"])
def test_a_refresh_whose_answer_is_lost_is_tried_again(
    session: HighQSession, kind: str, grace: float
) -> None:
    """With the same refresh token; when HighQ has forgotten it, a person must authorise anew."""
    session.timing = replace(session.timing, read_timeout=2)
    session.instance.knobs(refresh_grace=grace)
    session.instance.fail_next("token", kind, landed=True, seconds=10)
    if grace:
        run(session)
    else:
        with pytest.raises(AuthorisationRefused, match="revoked or used elsewhere"):
            run(session)
    assert session.refreshes() == 2


@pytest.mark.parametrize("old_access_stays_valid", [False, True])
@pytest.mark.parametrize("expired_status", [401, 403])
def test_many_threads_refresh_once(
    session: HighQSession, expired_status: int, old_access_stays_valid: bool
) -> None:
    """The token expires in HighQ's eyes in mid-run: one asks, the others wait, all arrive."""
    session.instance.knobs(
        expired_status=expired_status, old_access_stays_valid=old_access_stays_valid
    )
    with session.open() as highq, ThreadPoolExecutor(8) as pool:
        highq.account_total()
        session.instance.expire_tokens()
        list(pool.map(lambda number: highq.upload(number, ready(PICTURE)), range(1, 21)))
    assert session.refreshes() == 2
    assert len(session.instance.uploads()) == 20


def test_many_threads_begin_with_one_refresh(session: HighQSession) -> None:
    """Nothing stored yet, eight threads at once: the seed is spent once."""
    with session.open() as highq, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: highq.upload(number, ready(PICTURE)), range(1, 21)))
    assert session.refreshes() == 1


def test_a_token_is_renewed_before_it_expires(simulator: Simulator, tmp_path: Path) -> None:
    """Less than a minute left is too little for an upload: no call is made with it."""
    client = ClientSettings(access_lifetime=1800)
    instance = simulator.create_instance(users=people(2), clients=[client])
    session = HighQSession.at(simulator, instance, tmp_path)
    run(session)
    later = datetime.now(UTC) + timedelta(seconds=1750)
    session.timing = replace(session.timing, now=lambda: later)
    run(session)
    assert session.refreshes() == 2
    assert {entry.status for entry in instance.audit(operation="list")} == {200}


def test_a_changed_seed_starts_over(session: HighQSession) -> None:
    """Even while the old access token is valid: the administrator had a reason."""
    run(session)
    before = stored(session)
    session.replace_seed(session.instance.tokens().refresh_token)
    run(session)
    assert stored(session).seed != before.seed
    assert session.refreshes() == 2
    run(session)
    assert session.refreshes() == 2


@pytest.mark.parametrize("body", ["oauth", "highq"])
def test_a_revoked_refresh_token_needs_a_new_consent(session: HighQSession, body: str) -> None:
    """The message names the command, the Secret and its key."""
    session.instance.knobs(token_error_body=body)
    run(session)
    session.instance.revoke_tokens("both")
    remedy = r"authorise the client anew .*Secret highq-oauth anew: `.* authorize .*--replace`"
    with pytest.raises(AuthorisationRefused, match=remedy):
        run(session)
    assert session.refreshes() == 2


@pytest.mark.parametrize("body", ["oauth", "highq"])
def test_a_wrong_client_secret_is_told_from_a_dead_token(session: HighQSession, body: str) -> None:
    """Another remedy: the refresh token is still good, and stored."""
    session.instance.knobs(token_error_body=body)
    right = session.credentials
    session.credentials = replace(right, client_secret="wrong")
    with pytest.raises(AuthorisationRefused, match=r"clientId and clientSecret.*highq-oauth"):
        run(session)
    assert session.refreshes() == 1
    session.credentials = right
    run(session)


def test_credentials_are_read_anew_at_each_refresh(session: HighQSession) -> None:
    """A client secret rotated in mid-run is picked up without a restart."""
    with session.open() as highq:
        highq.account_total()
        session.credentials = replace(session.credentials, client_secret="wrong")
        highq.account_total()
        session.instance.expire_tokens()
        with pytest.raises(AuthorisationRefused):
            highq.account_total()


def test_a_user_who_is_no_administrator_is_told_so(simulator: Simulator, tmp_path: Path) -> None:
    """One refresh, in case the token was just old; then whoever consented is not enough."""
    instance = simulator.create_instance(users=people(3))
    instance.knobs(browser_user=2)
    session = HighQSession.at(simulator, instance, tmp_path)
    session.replace_seed(instance.authorise().refresh_token)
    instance.reset_audit()
    with pytest.raises(AuthorisationRefused, match=r"no system administrator .*authorise"):
        run(session)
    assert session.refreshes() == 2
    assert len(instance.audit(operation="list")) == 2


def test_an_api_that_is_off_is_told_so(session: HighQSession) -> None:
    """403 with ref 51 is no matter of tokens: none is refreshed for it."""
    run(session)
    session.instance.knobs(api_enabled=False)
    with pytest.raises(AuthorisationRefused, match="API is switched off"):
        run(session)
    assert session.refreshes() == 1


def test_an_address_that_is_not_registered_is_told_so(simulator: Simulator, tmp_path: Path) -> None:
    """401 with ref 53: the registration lists other addresses than ours."""
    client = ClientSettings(allowed_addresses=["192.0.2.0/24"])
    instance = simulator.create_instance(users=people(3), clients=[client])
    session = HighQSession.at(simulator, instance, tmp_path)
    with pytest.raises(AuthorisationRefused, match=r"IP address .* API application registration"):
        run(session)


def test_the_expiry_of_the_refresh_token_is_known(simulator: Simulator, tmp_path: Path) -> None:
    """From the response of the last refresh; a run that calls nobody knows it, too."""
    client = ClientSettings(refresh_lifetime=86_400 * 30)
    instance = simulator.create_instance(users=people(3), clients=[client])
    session = HighQSession.at(simulator, instance, tmp_path)
    with session.open() as highq:
        assert highq.token_expiry() is None
    run(session)
    with session.open() as highq:
        expiry = highq.token_expiry()
    assert expiry
    assert timedelta(days=29.9) < expiry - datetime.now(UTC) <= timedelta(days=30)
    assert session.refreshes() == 1


def test_no_refresh_without_a_place_to_keep_it(session: HighQSession, tmp_path: Path) -> None:
    """HighQ is not even asked."""
    (tmp_path / "file").touch()
    session.store = FolderTokenStore(tmp_path / "file" / "state")
    with pytest.raises(StateUnavailable):
        run(session)
    (tmp_path / "tokens.json.unfinished").mkdir()  # cannot be written over
    session.store = FolderTokenStore(tmp_path)
    with pytest.raises(StateUnavailable):
        run(session)
    assert session.refreshes() == 0


def test_no_refresh_begins_after_sigterm(session: HighQSession) -> None:
    """It could not be waited for."""
    session.timing.stop.set()
    with pytest.raises(Interrupted):
        run(session)
    assert session.refreshes() == 0


def test_a_keep_alive_renews_whatever_the_access_token_lasts(session: HighQSession) -> None:
    """A refresh token that nobody uses expires: it is traded in while everything is still valid."""
    run(session)
    before = stored(session)
    with session.open() as highq:
        highq.renew_authorisation()
    assert session.refreshes() == 2
    assert stored(session).refresh_token != before.refresh_token
    run(session)
    assert session.refreshes() == 2


class RenewedMeanwhile(FolderTokenStore):
    """A store in which another run renews while we wait for the right to do so."""

    newer: StoredTokens

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """See TokenStore."""
        super().write(self.newer, replaces=None)
        yield


def test_a_keep_alive_leaves_it_to_another_run_that_renews(
    session: HighQSession, tmp_path: Path
) -> None:
    """Two resources with one seed are kept alive at once: HighQ is asked once."""
    run(session)
    store = RenewedMeanwhile(tmp_path)
    store.newer = replace(stored(session), access_token="newer", refresh_token="newer too")
    session.store = store
    with session.open() as highq:
        highq.renew_authorisation()
    assert session.refreshes() == 1
    assert stored(session) == store.newer


INSTANTS = ("before the refresh", "after HighQ's answer", "after the write")


class KilledAt(FolderTokenStore):
    """A process that dies at one instant of the rotation."""

    instant: str

    def check_writable(self) -> None:
        """See TokenStore; the last instant before HighQ is asked."""
        super().check_writable()
        if self.instant == INSTANTS[0]:
            raise Killed

    def write(self, tokens: StoredTokens, *, replaces: StoredTokens | None) -> None:
        """See TokenStore."""
        if self.instant == INSTANTS[2]:
            super().write(tokens, replaces=replaces)
        raise Killed


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("instant", INSTANTS)
def test_a_kill_at_any_instant_of_the_rotation_is_survived_or_told(
    session: HighQSession, tmp_path: Path, instant: str, is_first: bool
) -> None:
    """Only between HighQ's answer and the write is a pair lost, and that says how to go on."""
    if not is_first:
        run(session)
        session.instance.expire_tokens()
    store = KilledAt(tmp_path)
    store.instant = instant
    session.store = store
    with pytest.raises(Killed):
        run(session)
    session.store = FolderTokenStore(tmp_path)
    if instant == INSTANTS[1]:
        with pytest.raises(AuthorisationExpired, match="profile-image-sync authorize"):
            run(session)
    else:
        run(session)
