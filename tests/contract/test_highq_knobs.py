"""The client against a HighQ with its knobs in every position: each pair of positions at least once.

Nobody knows which of them the real service has. `make knobs N=500` takes random positions beside them.
"""

from __future__ import annotations

import os
import random
from itertools import combinations, product
from pathlib import Path

import pytest

from profile_image_sync.api.highq import Endpoint
from profile_image_sync.errors import UploadDenied
from testkit.pictures import jpeg, portrait
from testkit.simulator.process import Simulator
from testkit.simulator.samples import people
from tests.support.highq_session import HighQSession, ready

PICTURE = jpeg(portrait("P", 1, 320, 320))
POSITIONS: dict[str, tuple[object, ...]] = {
    "default_format": ("documented", "json", "xml"),
    "expired_status": (401, 403),
    "missing_user_status": (403, 404),
    "token_error_body": ("oauth", "highq"),
    "refresh_grace": (0, 600),
    "old_access_stays_valid": (False, True),
    "single_element": ("array", "object"),
    "numbers_as_text": (False, True),
    "validation_status": (400, 403),
    "avatar_flag": ("1", "true", "none"),
    "created_date": ("documented", "iso", "epoch", "none"),
    "missing_avatar": ("placeholder", "404"),
    "avatar_type": ("image", "application/octet-stream"),
    "rate_headers": ("reset", "all", "seconds", "date", "none"),
    "rate_limit": (None, 1000),
}
Position = tuple[str, object]
Row = dict[str, object]


def _pairs(row: Row) -> set[frozenset[Position]]:
    return {frozenset(pair) for pair in combinations(row.items(), 2)}


def pairwise() -> list[Row]:
    """Return rows in which each two positions of two knobs meet: greedily, the same each time."""
    rng = random.Random(1)
    missing = {
        frozenset(((one, a), (two, b)))
        for one, two in combinations(POSITIONS, 2)
        for a, b in product(POSITIONS[one], POSITIONS[two])
    }
    rows: list[Row] = []
    while missing:
        rows.append(max(random_rows(rng, 50), key=lambda row: len(missing & _pairs(row))))
        missing -= _pairs(rows[-1])
    return rows


def random_rows(rng: random.Random, count: int) -> list[Row]:
    """Return so many rows of random positions."""
    return [{name: rng.choice(values) for name, values in POSITIONS.items()} for _ in range(count)]


MORE = random_rows(random.Random(), int(os.environ.get("N") or "0"))


@pytest.mark.parametrize(
    "row", [*pairwise(), *MORE], ids=lambda row: "-".join(map(str, row.values()))
)
@pytest.mark.parametrize("endpoint", list(Endpoint))
def test_a_run_does_its_work_in_every_position(
    simulator: Simulator, tmp_path: Path, row: Row, endpoint: Endpoint
) -> None:
    """List, upload, look, an expired token on the way, a user who is gone: the same outcome everywhere."""
    instance = simulator.create_instance(users=people(3))
    instance.knobs(**row)
    session = HighQSession.at(simulator, instance, tmp_path)
    session.endpoint = endpoint
    with session.open() as highq:
        assert [account.id for account in highq.accounts()] == [1, 2, 3, 900_001]
        highq.upload(1, ready(PICTURE))
        first, second, *_ = highq.accounts()
        tells = endpoint is Endpoint.AVATAR  # Publisher's rows know neither
        flagged, dated = row["avatar_flag"] != "none", row["created_date"] != "none"
        assert (first.has_picture, second.has_picture) == (
            (True, False) if tells and flagged else (None, None)
        )
        assert (first.created is not None) == (tells and dated)
        shown = highq.shown_avatars([first, second])
        assert 1 in shown
        assert (2 in shown) == (second.has_picture is None and row["missing_avatar"] != "404")
        instance.expire_tokens()
        highq.upload(2, ready(PICTURE))
        instance.remove_user(3)
        with pytest.raises(UploadDenied):
            highq.upload(3, ready(PICTURE))
    assert instance.picture(1) == instance.picture(2) == PICTURE
    assert session.refreshes() == 2
    assert instance.foreign_calls() == []
