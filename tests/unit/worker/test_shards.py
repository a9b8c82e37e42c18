"""The binary form of the state: small, exact, and never mistaken for something else."""

from __future__ import annotations

import random
import zlib
from base64 import b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_image_sync.errors import StateDamaged, StateMismatch
from profile_image_sync.worker.people import MAX_ACCOUNT_ID
from profile_image_sync.worker.shards import (
    Accepted,
    PersonRecord,
    Refused,
    Rows,
    Shard,
    decode_shard,
    encode_shard,
    shard_of,
)

STATE, OTHER = UUID(int=1), UUID(int=2)
WHERE = "folder /srv/acme"

hashes = st.binary(min_size=16, max_size=16)
accepted = st.builds(
    Accepted,
    md5=hashes,
    attribute=st.sampled_from(("thumbnailPhoto", "jpegPhoto", "Größe")),
    account_id=st.integers(0, MAX_ACCOUNT_ID),
    attributes_version=st.integers(0, 99),
    unconfirmed=st.booleans(),
    resend=st.booleans(),
    gone=st.booleans(),
)
refused = st.builds(
    Refused,
    md5=hashes,
    reason=st.sampled_from(("TooSmall", "Corrupt", "HighQ398")),
    settings=st.binary(min_size=4, max_size=4),
)
entries = st.builds(
    PersonRecord,
    st.none() | accepted,
    st.none() | refused,
    st.sampled_from(("", "NoAccount", "SeveralPeople")),
)
people = st.dictionaries(st.uuids(), entries, max_size=30)
counts = st.sampled_from((1, 2, 4, 8, 256))


def a_shard(
    rows: dict[UUID, PersonRecord], *, index: int = 0, count: int = 1, revision: int = 7
) -> Shard:
    """Return a shard that holds these entries."""
    shard = Shard(STATE, index, count, revision)
    for guid, entry in rows.items():
        shard.put(guid, entry)
    return shard


def a_person(seed: int, *, also_refused: bool = False) -> tuple[UUID, PersonRecord]:
    """Return someone with an accepted image, and perhaps a refused one too."""
    chance = random.Random(seed)
    taken = Accepted(chance.randbytes(16), "thumbnailPhoto", chance.randrange(1, 10**9), 3)
    not_taken = Refused(chance.randbytes(16), "TooSmall", b"abcd") if also_refused else None
    return UUID(bytes=chance.randbytes(16)), PersonRecord(taken, not_taken)


@given(people)
def test_a_shard_is_read_back_as_it_was_written(rows: dict[UUID, PersonRecord]) -> None:
    """Hash, attribute, account, flags, refusal, waiting: all come back, for everyone."""
    written = a_shard(rows)
    shard = decode_shard(encode_shard(written), state=STATE, index=0, where=WHERE)
    known = {guid: entry for guid, entry in rows.items() if entry != PersonRecord()}
    assert dict(shard.items()) == known
    assert all(shard.get(guid) == entry for guid, entry in rows.items())
    assert shard.revision == 7


def test_a_person_takes_at_most_60_bytes_in_a_configmap() -> None:
    """base64 counts, and one in ten has a refused image beside the accepted one."""
    rows = dict(a_person(seed, also_refused=seed % 10 == 0) for seed in range(1000))
    assert len(b64encode(encode_shard(a_shard(rows)))) <= 60 * len(rows)


def test_any_damage_to_a_shard_is_noticed() -> None:
    """Not one byte can change, be missing or be too many without the run stopping."""
    data = encode_shard(a_shard(dict([a_person(1), a_person(2, also_refused=True)])))
    changed = (
        data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
        for at in range(len(data))
        for flip in (1, 2, 4, 8, 16, 32, 64, 128, 255)
    )
    cut = (data[:end] for end in range(len(data)))
    extended = (data + b"\0", data + data, b"\0" + data, b"")
    for damaged in (*changed, *cut, *extended):
        with pytest.raises(StateDamaged, match="shard 000 of the state in folder /srv/acme"):
            decode_shard(damaged, state=STATE, index=0, where=WHERE)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_shard(data: bytes) -> None:
    """A file that is something else altogether is reported as damage."""
    with pytest.raises(StateDamaged):
        decode_shard(data, state=STATE, index=0, where=WHERE)


def test_a_shard_in_anothers_place_is_damage() -> None:
    """A copy that landed under a wrong name does not stand in for the right one."""
    data = encode_shard(a_shard({}, index=1, count=4))
    with pytest.raises(StateDamaged, match="shard 002"):
        decode_shard(data, state=STATE, index=2, where=WHERE)


def test_another_states_shard_is_refused() -> None:
    """Shards of two tenants, or of two lives of one, never mix (rule 9)."""
    data = encode_shard(a_shard(dict([a_person(1)])))
    with pytest.raises(StateMismatch, match=f"belongs to state {STATE}, not to {OTHER}"):
        decode_shard(data, state=OTHER, index=0, where=WHERE)


def test_a_newer_versions_shard_is_left_alone() -> None:
    """After a downgrade the run stops and says which way out there is."""
    body = bytearray(encode_shard(a_shard({}))[:-4])
    body[4:6] = (3).to_bytes(2, "big")
    data = bytes(body) + zlib.crc32(body).to_bytes(4, "big")
    with pytest.raises(StateMismatch, match=r"has schema 3.* newer one"):
        decode_shard(data, state=STATE, index=0, where=WHERE)


@given(st.uuids(), counts)
def test_doubling_moves_a_person_to_one_new_place_only(guid: UUID, count: int) -> None:
    """A person stays, or moves to the new shard that belongs to the old one."""
    now = shard_of(guid, count)
    assert 0 <= now < count
    assert shard_of(guid, 2 * count) in (now, now + count)


@given(people, counts)
def test_splitting_a_shard_loses_nobody(rows: dict[UUID, PersonRecord], count: int) -> None:
    """Everyone is in the one part where they will be looked for, as they were."""
    parts = a_shard(rows).split(count)
    assert [part.index for part in parts] == list(range(count))
    assert [part.revision for part in parts] == [7] + [0] * (count - 1)
    for guid, entry in rows.items():
        assert parts[shard_of(guid, count)].get(guid) == entry
    known = sum(entry != PersonRecord() for entry in rows.values())
    assert sum(len(list(part.items())) for part in parts) == known


keys = st.sampled_from([bytes([number]) * 16 for number in range(0, 250, 25)])


@given(st.lists(st.tuples(keys, st.none() | st.binary(min_size=3, max_size=3))))
def test_packed_rows_behave_like_a_sorted_dictionary(
    steps: list[tuple[bytes, bytes | None]],
) -> None:
    """Put, replace, drop and look up, in any order."""
    rows, model = Rows(19), dict[bytes, bytes]()
    for key, value in steps:
        if value is None:
            rows.drop(key)
            model.pop(key, None)
        else:
            rows.put(key + value)
            model[key] = key + value
        assert list(rows) == [row for _, row in sorted(model.items())]
        assert all(rows.get(key) == row for key, row in model.items())
        assert len(rows) == len(model)
    assert rows.get(b"absent.absent.ab") is None
