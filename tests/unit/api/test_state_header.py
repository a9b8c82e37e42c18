"""The state's header: what it remembers, and what it refuses to be mistaken for."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.spec import FirstSync
from profile_image_sync.api.state_header import (
    MAX_CURSORS,
    MAX_HANDLED_REQUESTS,
    MAX_SPENT,
    MAX_SWEEPS,
    CompletedFirstSync,
    DirectoryCursor,
    ListedAccounts,
    PendingBrake,
    StateHeader,
    StoredRows,
    Sweep,
    Totals,
    decode_header,
    encode_header,
    new_header,
)
from profile_image_sync.errors import StateDamaged, StateMismatch

STATE, DOMAIN, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
WHERE = "folder /srv/acme"
FIRST_DELIVERY = Path(__file__).parents[2] / "data" / "first_delivery_state"

counts = st.integers(0, 10**6)
figures = st.dictionaries(st.text(max_size=20), counts, max_size=3)
sweeps = st.tuples(counts, counts, figures).map(
    lambda t: Sweep(people=t[0], with_image=t[1], matched=t[1] // 2, images=t[2])
)
first_syncs = st.tuples(
    st.sampled_from(FirstSync), st.datetimes(timezones=st.just(UTC)), counts
).map(lambda t: CompletedFirstSync(policy=t[0], time=t[1], highest_account_id=t[2]))
times = st.datetimes(timezones=st.just(UTC))
cursors = st.builds(
    DirectoryCursor,
    server=st.text(max_size=20),
    invocation=st.uuids(),
    usn=st.integers(0, 2**63 - 1),
    layout=st.text(max_size=9),
)
headers = st.builds(
    StateHeader,
    scope=st.none() | st.text(max_size=9),
    last_full_sweep=st.none() | times,
    cursors=st.lists(cursors, max_size=MAX_CURSORS).map(tuple),
    totals=st.none()
    | st.builds(
        Totals, people=counts, reasons=st.dictionaries(st.text(max_size=9), figures, max_size=3)
    ),
    accounts=st.none()
    | st.tuples(counts, counts, times).map(
        lambda t: ListedAccounts(total=t[0], highest_id=t[1], all_retried=t[2])
    ),
    stored=st.none() | st.builds(StoredRows, people=counts, bytes=counts),
    counted_revisions=st.none() | st.integers(0, 2**40),
    id=st.uuids(),
    domain=st.none() | st.uuids(),
    highq=st.none() | st.text(max_size=50),
    image_attributes=st.none() | st.lists(st.text(max_size=20), max_size=3).map(tuple),
    first_sync_completed=st.booleans(),
    replaces=st.none() | st.uuids(),
    image_attributes_version=st.integers(1, 99),
    match=st.none() | st.lists(st.text(max_size=20), max_size=3).map(tuple),
    match_version=st.integers(1, 99),
    first_sync=st.none() | first_syncs,
    sweeps=st.lists(sweeps, max_size=MAX_SWEEPS).map(tuple),
    spent_acknowledgements=st.lists(st.text(max_size=9), max_size=MAX_SPENT).map(tuple),
    brake=st.none() | st.builds(PendingBrake, id=st.text(max_size=9), figures=figures),
    handled_requests=st.lists(st.text(max_size=9), max_size=MAX_HANDLED_REQUESTS).map(tuple),
    revisions=st.sampled_from((1, 2, 4)).flatmap(
        lambda n: st.tuples(*[st.integers(0, 2**32 - 1)] * n)
    ),
)


@given(headers)
def test_a_header_is_read_back_as_it_was_written(header: StateHeader) -> None:
    """Nothing is lost or altered between two runs."""
    assert decode_header(encode_header(header), WHERE) == header


def test_a_new_header_remembers_nothing_but_its_id() -> None:
    """A state begins unbound, with one shard that has not been written."""
    header = new_header(STATE)
    assert header.id == STATE
    assert (header.domain, header.highq, header.sweeps) == (None, None, ())
    assert not header.first_sync_completed
    assert header.revisions == (0,)
    assert header.shards == 1


def test_a_newer_versions_header_is_left_alone() -> None:
    """After a downgrade the run stops and says which way out there is."""
    data = b'{"schemaVersion": 3, "id": "whatever", "shiny": true}'
    with pytest.raises(StateMismatch, match=r"folder /srv/acme has schema 3.* newer one"):
        decode_header(data, WHERE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        b"[]",
        b"{}",
        b'{"schemaVersion": 2}',
        encode_header(new_header(STATE))[:-4],
        encode_header(new_header(STATE)).replace(b"[0]", b"[0,0,0]"),
        encode_header(new_header(STATE)).replace(b"[0]", b"[]"),
        encode_header(new_header(STATE)).replace(b"[0]", str([0] * 512).encode()),
        encode_header(new_header(STATE)).replace(b"[0]", b"[-1]"),
    ],
)
def test_a_damaged_header_stops_the_run(data: bytes) -> None:
    """What cannot be read is never taken for a new state; the message names place and remedy."""
    with pytest.raises(StateDamaged, match=r"folder /srv/acme cannot be read .*restore it"):
        decode_header(data, WHERE)


def test_the_first_run_binds_the_state_and_later_ones_must_agree() -> None:
    """State of one domain and one HighQ is never used for another's (rule 9)."""
    header = new_header(STATE).bound_to_domain(DOMAIN).bound_to_highq("acme.highq.com/acme")
    assert header.bound_to_domain(DOMAIN).bound_to_highq("acme.highq.com/acme") == header
    with pytest.raises(StateMismatch, match=f"{DOMAIN}, but the directory answers as {OTHER}"):
        header.bound_to_domain(OTHER)
    with pytest.raises(StateMismatch, match=r"spec\.highq\.url is new\.highq\.com/acme"):
        header.bound_to_highq("new.highq.com/acme")


def test_the_newest_handled_requests_are_remembered() -> None:
    """A re-created resource does not run again for a request that was served; old ones fall out."""
    header = new_header(STATE)
    for number in range(MAX_HANDLED_REQUESTS + 5):
        header = header.having_handled(f"request {number}")
    assert len(header.handled_requests) == MAX_HANDLED_REQUESTS
    assert header.handled_requests[-1] == f"request {MAX_HANDLED_REQUESTS + 4}"
    again = header.having_handled(header.handled_requests[3])
    assert sorted(again.handled_requests) == sorted(header.handled_requests)
    assert again.handled_requests[-1] == header.handled_requests[3]


def test_what_a_newer_version_remembers_is_kept() -> None:
    """Readers are tolerant of what they do not know, and nothing is lost when they write it back."""
    newer = encode_header(new_header(STATE))[:-2] + b', "groups": [{"usn": 7}]}\n'
    header = decode_header(newer, WHERE).having_handled("once")
    assert b'"groups":[{"usn":7}]' in encode_header(header)


def test_the_first_deliverys_header_is_carried_over() -> None:
    """A state written by the code at commit 4b408e2 goes on: its one sweep is the first baseline."""
    header = decode_header((FIRST_DELIVERY / "state").read_bytes(), WHERE)
    assert header.schema_version == 2
    assert (header.highq, header.first_sync_completed) == ("acme.highq.com/acme", True)
    assert header.first_sync is None  # taken from the next listing of HighQ's users
    assert header.image_attributes == ("jpegPhoto", "thumbnailPhoto")
    (sweep,) = header.sweeps
    assert (sweep.people, sweep.with_image, sweep.images) == (
        7, 6, {"jpegPhoto": 1, "thumbnailPhoto": 5},
    )  # fmt: skip
    assert header.brake == PendingBrake(id="0badcafe", figures={"TooManyChanges": 4})
    assert header.handled_requests == ("2026-05-04", "again")


def test_the_newest_spent_acknowledgements_are_remembered() -> None:
    """So that an id that stays in the spec for ever is neither used twice nor called unknown."""
    header = new_header(STATE)
    for number in range(MAX_SPENT + 5):
        header = header.with_spent([f"id {number}", f"id {number}"])
    assert len(header.spent_acknowledgements) == MAX_SPENT
    assert header.spent_acknowledgements[-1] == f"id {MAX_SPENT + 4}"
