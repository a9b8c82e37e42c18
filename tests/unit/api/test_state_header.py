"""The state's header: what it remembers, and what it refuses to be mistaken for."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.api.state_header import (
    MAX_HANDLED_REQUESTS,
    PendingBrake,
    StateHeader,
    Sweep,
    decode_header,
    encode_header,
    new_header,
)
from profile_image_sync.errors import StateDamaged, StateMismatch

STATE, DOMAIN, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
WHERE = "folder /srv/acme"

counts = st.integers(0, 10**6)
figures = st.dictionaries(st.text(max_size=20), counts, max_size=3)
sweeps = st.tuples(counts, counts, figures).map(
    lambda t: Sweep(people=t[0], with_image=t[1], images=t[2])
)
headers = st.builds(
    StateHeader,
    id=st.uuids(),
    domain=st.none() | st.uuids(),
    highq=st.none() | st.text(max_size=50),
    image_attributes=st.none() | st.lists(st.text(max_size=20), max_size=3).map(tuple),
    first_sync_completed=st.booleans(),
    sweep=st.none() | sweeps,
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
    assert (header.domain, header.highq, header.sweep) == (None, None, None)
    assert not header.first_sync_completed
    assert header.revisions == (0,)
    assert header.shards == 1


def test_a_newer_versions_header_is_left_alone() -> None:
    """After a downgrade the run stops and says which way out there is."""
    data = b'{"schemaVersion": 2, "id": "whatever", "shiny": true}'
    with pytest.raises(StateMismatch, match=r"folder /srv/acme has schema 2.* newer one"):
        decode_header(data, WHERE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        b"[]",
        b"{}",
        b'{"schemaVersion": 1}',
        encode_header(new_header(STATE))[:-4],
        encode_header(new_header(STATE)).replace(b'"domain"', b'"domani"'),
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
