"""Uploads to the simulator: what arrives, what is repeated, what is refused."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from threading import Event, Thread

import pytest
from structlog.testing import capture_logs

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.errors import (
    AuthorisationRefused,
    HighQUnavailable,
    Interrupted,
    PersonError,
    SyncError,
    UploadDenied,
    UploadFailed,
    UploadRefused,
    UploadRejected,
    UploadUnconfirmed,
)
from profile_image_sync.worker.highq.timing import Timing
from testkit import pictures
from testkit.pictures import portrait
from testkit.simulator.process import Simulator
from testkit.simulator.samples import people
from testkit.simulator.schema import Knobs
from testkit.waiting import wait_for
from tests.support.highq_session import FastStop, HighQSession, ready

ENDPOINTS = pytest.mark.parametrize("endpoint", list(Endpoint))
PAGE: dict[str, object] = {"kind": "malformed", "body": "<!DOCTYPE html><html>Sign in</html>"}
PICTURE = pictures.jpeg(portrait("P", 1, 320, 320))


@pytest.fixture
def session(simulator: Simulator, tmp_path: Path) -> HighQSession:
    """Twenty users, and an administrator who authorised us."""
    return HighQSession.at(simulator, simulator.create_instance(users=people(20)), tmp_path)


@ENDPOINTS
@pytest.mark.parametrize(
    ("media_type", "picture"),
    [("image/jpeg", PICTURE), ("image/png", pictures.png(portrait("P", 2, 320, 320)))],
    ids=["jpeg", "png"],
)
def test_a_portrait_arrives_as_it_was_sent(
    session: HighQSession, endpoint: Endpoint, media_type: str, picture: bytes
) -> None:
    """Byte for byte, under its type, whole: no crop is asked for."""
    session.endpoint = endpoint
    with session.open() as highq:
        highq.upload(5, ready(picture, media_type))
    assert session.instance.picture(5) == picture
    facts = session.instance.picture_facts(5)
    assert facts
    assert facts.content_type == media_type
    assert facts.crop in {None, (0, 0, 320, 320)}
    assert [entry.user_id for entry in session.instance.uploads()] == [5]


@ENDPOINTS
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "times": 3},
        {"kind": "status", "status": 500, "ref": 405},
        {"kind": "html", "status": 502, "times": 2},
        {"kind": "html", "status": 200},
        {"kind": "cut"},
        {"kind": "cut", "landed": True},
        {"kind": "truncate"},
        {"kind": "drip", "seconds": 0.5},
        {"kind": "stall", "seconds": 30},
        {"kind": "stall", "seconds": 10, "landed": True},
        {"kind": "status", "status": 504, "landed": True},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_trouble_on_the_way_ends_in_one_picture(
    session: HighQSession, endpoint: Endpoint, fault: dict[str, object]
) -> None:
    """A repeated upload is harmless: the same picture again, and nobody else's."""
    session.endpoint = endpoint
    session.timing = replace(session.timing, read_timeout=2, response_timeout=2)
    session.instance.fail_next("upload", **fault)  # type: ignore[arg-type]  # a table of keywords
    with session.open() as highq:
        highq.upload(5, ready(PICTURE))
    assert session.instance.picture(5) == PICTURE
    digests = {(one.user_id, one.md5) for one in session.instance.uploads()}
    assert digests == {(5, md5(PICTURE, usedforsecurity=False).hexdigest())}
    assert session.instance.pending_faults() == []


@ENDPOINTS
@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        ({"kind": "status", "status": 503}, UploadFailed, "HighQTrouble"),
        ({"kind": "html", "status": 200}, UploadFailed, "HighQTrouble"),
        (PAGE | {"content_type": ""}, UploadFailed, "HighQTrouble"),
        (PAGE | {"content_type": "application/json"}, UploadFailed, "HighQTrouble"),
        ({"kind": "html", "status": 404}, UploadFailed, "HighQError"),
        ({"kind": "status", "status": 400, "ref": 74}, UploadDenied, "HighQError"),
        ({"kind": "status", "status": 403, "ref": 188}, UploadDenied, "HighQError"),
        ({"kind": "status", "status": 200, "ref": 74}, UploadDenied, "HighQError"),
        ({"kind": "status", "status": 200}, UploadDenied, "HighQError"),
        ({"kind": "status", "status": 403, "ref": 110}, UploadDenied, "AccountGone"),
        ({"kind": "status", "status": 200, "ref": 110}, UploadDenied, "AccountGone"),
        ({"kind": "status", "status": 403, "ref": 123}, UploadDenied, "AccessDenied"),
        ({"kind": "html", "status": 413}, UploadDenied, "TooLargeForGateway"),
    ],
)
def test_trouble_that_stays_is_one_persons_failure(
    session: HighQSession,
    endpoint: Endpoint,
    fault: dict[str, object],
    error: type[UploadFailed],
    reason: str,
) -> None:
    """The others go on; whose fault it is is told, with user, status and what happens next."""
    session.endpoint = endpoint
    session.instance.fail_next("upload", times=5, user_id=5, **fault)  # type: ignore[arg-type]  # as above
    with session.open() as highq:
        with pytest.raises(UploadFailed, match=r"HighQ.* user 5.*next run tries again") as caught:
            highq.upload(5, ready(PICTURE))
        highq.upload(6, ready(PICTURE))
    assert type(caught.value) is error
    assert caught.value.reason == reason
    assert session.instance.picture(6) == PICTURE


UNREADABLE: dict[str, object] = {"kind": "malformed", "content_type": "text/plain"}


@ENDPOINTS
@pytest.mark.parametrize(
    "faults",
    [
        [{"kind": "cut", "times": 5}],
        [{"kind": "cut", "landed": True, "times": 5}],
        [UNREADABLE | {"body": "ok", "landed": True, "times": 5}],
        [UNREADABLE | {"body": '{"user":', "times": 5}],
        [{"kind": "bomb", "times": 5}],
        [{"kind": "giant", "times": 5}],
        [{"kind": "cut", "landed": True}, {"kind": "status", "status": 503, "times": 4}],
        [{"kind": "cut", "landed": True}, {"kind": "redirect", "location": "https://x.example/"}],
    ],
    ids=["cut", "cut landed", "text", "torn", "bomb", "giant", "cut then 503", "cut then redirect"],
)
def test_an_upload_without_a_clear_answer_is_unconfirmed(
    session: HighQSession, endpoint: Endpoint, faults: list[dict[str, object]]
) -> None:
    """Whether it is stored nobody knows: it is not sent again over what the person may choose since."""
    session.endpoint = endpoint
    for fault in faults:
        session.instance.fail_next("upload", user_id=5, **fault)  # type: ignore[arg-type]  # as above
    with session.open() as highq:
        with pytest.raises(UploadUnconfirmed, match=r"HighQ user 5.*see in HighQ") as caught:
            highq.upload(5, ready(PICTURE))
        highq.upload(6, ready(PICTURE))
    assert caught.value.reason == "ResponseLost"
    assert session.instance.pending_faults() == []


@ENDPOINTS
def test_an_answer_longer_than_it_says_spoils_no_other(
    session: HighQSession, endpoint: Endpoint
) -> None:
    """What comes after its Content-Length is not taken for the next answer on that connection."""
    session.endpoint = endpoint
    session.instance.fail_next("upload", "overlong", times=2)
    with session.open() as highq:
        for account in (5, 6, 7):
            highq.upload(account, ready(PICTURE))
    assert {one.user_id for one in session.instance.uploads()} == {5, 6, 7}
    assert session.instance.pending_faults() == []


def test_a_stop_between_a_lost_answer_and_its_repetition_leaves_it_unconfirmed(
    session: HighQSession,
) -> None:
    """SIGTERM must not turn "nobody knows" into "never sent"."""
    stop = FastStop(lambda turn: stop.set() if turn == 4 else None)  # refresh, two calls, again
    session.timing = Timing(stop=stop)
    session.instance.fail_next("avatar", "cut", landed=True)
    with session.open() as highq:
        highq.account_total()
        with pytest.raises(UploadUnconfirmed):
            highq.upload(5, ready(PICTURE))
    assert len(session.instance.uploads()) == 1


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("ref", [396, 397, 402, 403])
def test_a_ref_that_blames_our_request_is_told_as_such(
    session: HighQSession, status: int, ref: int
) -> None:
    """The picture is as good as before; the same request would fail for everyone."""
    session.instance.fail_next("avatar", "status", status=status, ref=ref)
    with session.open() as highq, pytest.raises(UploadRejected, match=rf"ref {ref}"):
        highq.upload(5, ready(PICTURE))


AVATAR_REFS = {
    398: "ImageTypeNotSupported",
    400: "FileNotSupported",
    401: "ImageTooSmall",
    404: "NotSquare",
    406: "ImageEmpty",
}


@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize("ref", AVATAR_REFS)
def test_each_avatar_ref_is_a_refusal_at_once(session: HighQSession, status: int, ref: int) -> None:
    """One call, no refresh: neither patience nor another token makes the picture better."""
    with session.open() as highq:
        highq.account_total()
        session.instance.fail_next("avatar", "status", status=status, ref=ref)
        with pytest.raises(UploadRefused, match=rf"HTTP {status}, ref {ref}, error \d+") as caught:
            highq.upload(5, ready(PICTURE))
    assert caught.value.reason == AVATAR_REFS[ref]
    assert len(session.instance.audit(operation="avatar")) == 1
    assert session.refreshes() == 1


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (pictures.jpeg(portrait("P", 1, 200, 200)), "ImageTooSmall"),
        (pictures.jpeg(portrait("P", 1, 320, 400)), "NotSquare"),
        (pictures.gif(portrait("P", 1, 320, 320)), "ImageTypeNotSupported"),
        (PICTURE[: len(PICTURE) // 2], "FileNotSupported"),
        (b"", "ImageEmpty"),
    ],
    ids=["small", "oblong", "gif", "torn", "empty"],
)
def test_what_highq_would_not_take_is_refused_for_good(
    session: HighQSession, status: int, picture: bytes, reason: str
) -> None:
    """By the picture itself, as HighQ's page says, whichever status it chooses."""
    session.instance.knobs(validation_status=status)
    with session.open() as highq, pytest.raises(UploadRefused) as caught:
        highq.upload(5, ready(picture))
    assert caught.value.reason == reason


@ENDPOINTS
@pytest.mark.parametrize("status", [403, 404])
def test_a_user_deleted_since_the_list_was_read_fails_alone(
    session: HighQSession, endpoint: Endpoint, status: int
) -> None:
    """HighQ says 403 or 404 with ref 110: the token is not doubted."""
    session.endpoint = endpoint
    session.instance.knobs(missing_user_status=status)
    session.instance.remove_user(5)
    with session.open() as highq, pytest.raises(UploadFailed) as caught:
        highq.upload(5, ready(PICTURE))
    assert caught.value.reason == "AccountGone"
    assert session.refreshes() == 1


@pytest.mark.parametrize(
    ("headers", "skew"), [("reset", 18_000), ("seconds", 0), ("date", -18_000), ("all", 0)]
)
def test_the_rate_limit_is_obeyed_by_all_threads(
    session: HighQSession, headers: str, skew: float
) -> None:
    """Nobody is sent while the window is closed; where HighQ announces its limit, it is never hit."""
    session.instance.advance_clock(skew)
    session.timing = Timing(stop=Event())  # real waits: the window is short
    with session.open() as highq:
        highq.account_total()
        session.instance.knobs(rate_limit=10, rate_window=2, rate_headers=headers)
        highq.account_total()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: highq.upload(number, ready(PICTURE)), range(1, 16)))
    statuses = Counter(call.status for call in session.instance.audit(operation="avatar"))
    assert statuses[200] == 15
    assert set(statuses) <= {200, 429}
    if headers == "all":
        assert statuses[429] == 0
    else:
        assert statuses[429] <= 8 + 3  # each thread once, when the limit is not known yet


def test_a_stop_ends_the_wait_for_the_rate_limit(session: HighQSession) -> None:
    """SIGTERM in an hour's pause: the upload ends now, as interrupted and not as failed."""
    stop = Event()
    session.timing = Timing(stop=stop)
    ends: list[BaseException] = []
    with session.open() as highq:
        highq.account_total()
        session.instance.knobs(rate_limit=1, rate_window=3000)

        def upload() -> None:
            try:
                highq.upload(5, ready(PICTURE))
            except SyncError as error:
                ends.append(error)

        highq.account_total()  # the window's only call
        thread = Thread(target=upload)
        thread.start()
        wait_for("a 429", lambda: any(one.status == 429 for one in session.instance.audit()))
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert [type(end) for end in ends] == [Interrupted]


def test_a_token_revoked_in_mid_run_is_replaced_once(session: HighQSession) -> None:
    """Four threads, one refresh, no picture lost."""
    session.instance.fail_next("upload", "revoke", skip=4)
    with session.open() as highq, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: highq.upload(number, ready(PICTURE)), range(1, 21)))
    assert session.refreshes() == 2
    assert {one.user_id for one in session.instance.uploads()} == set(range(1, 21))


@ENDPOINTS
def test_a_redirect_never_carries_the_token(
    simulator: Simulator, session: HighQSession, endpoint: Endpoint
) -> None:
    """Neither to another host, nor anywhere; the message names that host and nothing more."""
    session.endpoint = endpoint
    other = simulator.create_instance(users=people(5))
    location = other.url.replace("127.0.0.1", "localhost") + "/api/5/users/5/avatar?code=c0de"
    session.instance.fail_next("upload", "redirect", location=location)
    with session.open() as highq, pytest.raises(HighQUnavailable, match="localhost") as caught:
        highq.upload(5, ready(PICTURE))
    assert "c0de" not in str(caught.value)
    assert other.audit() == []
    assert other.picture(5) is None


def test_nothing_secret_is_told_whatever_happens(simulator: Simulator, tmp_path: Path) -> None:
    """Tokens, secrets, pictures, mail addresses: in no message, cause or log line."""
    knobs = Knobs(single_element="object")
    instance = simulator.create_instance(users=people(3), knobs=knobs)
    session = HighQSession.at(simulator, instance, tmp_path)
    told: list[object] = []
    secrets = [*session.credentials.refresh_token.split(), session.credentials.client_secret]
    with capture_logs() as logs, session.open() as highq:
        for operation, fault in (
            ("upload", {"kind": "status", "status": 503, "times": 5}),
            ("upload", {"kind": "cut", "times": 5}),
            ("upload", {"kind": "status", "status": 400, "ref": 401}),
            ("upload", {"kind": "redirect", "location": "https://user:pass@127.0.0.1:1/x"}),
            ("upload", {"kind": "status", "status": 403, "ref": 123}),
            ("any", {"kind": "status", "status": 401, "ref": 401, "times": 2}),
            ("upload", {"kind": "status", "status": 401, "ref": 401}),
        ):
            instance.fail_next(operation, **fault)
            if (
                operation == "any"
            ):  # the call and its probe; the next fault meets the call's repetition
                continue
            with pytest.raises((PersonError, SyncError)) as caught:
                highq.upload(2, ready(PICTURE))
            shown: BaseException | None = caught.value
            while shown:
                told += [repr(shown), str(shown), shown.args]
                shown = None if shown.__suppress_context__ else shown.__context__
        stored = session.store.read()
        assert stored
        secrets += [stored.access_token, stored.refresh_token, "acme.example", "user:pass", "JFIF"]
        told += [highq, ready(PICTURE).side]
    told.append(logs)
    assert len(logs) >= 10
    assert isinstance(caught.value, AuthorisationRefused)
    for secret in secrets:
        assert secret not in repr(told)
