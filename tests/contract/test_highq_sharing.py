"""Two resources with one registration share its rate limit.

How equal the parts become is shown by tests/unit/worker/highq/test_rate_window.py: that takes minutes.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from threading import Event

from profile_image_sync.worker.highq.timing import Timing
from testkit.pictures import jpeg, portrait
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people
from tests.support.highq_session import HighQSession, ready

PICTURE = ready(jpeg(portrait("P", 1, 320, 320)))
EACH = 60  # uploads of a run
LIMIT, WINDOW = 32, 1.0  # requests, seconds; the headers tell whole seconds
LEARNT = 3 * WINDOW + 1.0  # seconds after which an announced limit is hit no more
THREADS = 8
RUNS = (1, 1 + EACH)  # their first accounts


def test_neither_of_two_runs_on_one_limit_starves_the_other(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Side by side, each gets its part, whether HighQ announces its limit or not; nobody is left out."""

    def settled(headers: str) -> Instance:
        instance = simulator.create_instance(users=people(2 * EACH))
        with HighQSession.at(simulator, instance, tmp_path / headers).open() as highq:
            highq.renew_authorisation()
        instance.knobs(rate_limit=LIMIT, rate_window=WINDOW, rate_headers=headers, latency=0.05)
        return instance

    def run(headers: str, first: int) -> None:
        session = HighQSession.at(simulator, instances[headers], tmp_path / headers)
        session.timing = Timing(stop=Event())  # real waits
        with session.open() as highq, ThreadPoolExecutor(THREADS) as pool:
            accounts = range(first, first + EACH)
            list(pool.map(lambda number: highq.upload(number, PICTURE), accounts))

    instances = {headers: settled(headers) for headers in ("reset", "all")}
    with ThreadPoolExecutor(4) as all_runs:
        list(all_runs.map(lambda each: run(*each), product(instances, RUNS)))
    for headers, instance in instances.items():
        calls = instance.audit(operation="avatar")
        done = [call.user_id or 0 for call in calls if call.status == 200]
        assert sorted(done) == list(range(1, 2 * EACH + 1))
        ends = min(max(map(done.index, range(first, first + EACH))) for first in RUNS)
        shares = Counter(number > EACH for number in done[:ends])  # while both were at it
        assert min(shares.values()) >= 0.15 * ends, (headers, shares)
        refused = [call for call in calls if call.status == 429]
        assert len(refused) <= 2 * THREADS + 2 * len(done) // LIMIT, headers
    learnt = calls[0].at + LEARNT
    assert not [call for call in refused if call.at > learnt]
