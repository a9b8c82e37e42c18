"""How fast pictures get into HighQ: `make bench-uploading [N=5000]`.

Real uploads to the simulator in its own process, over TLS: our pipeline (convert, upload, record) beside the
plain script and a bare load generator, at two latencies, under a rate limit, and with failures. Prints a
table, and as its last line one JSON object of its figures.
"""

from __future__ import annotations

import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, cast
from urllib.parse import urlsplit
from uuid import UUID

from benchmarks import plain_upload
from profile_image_sync import logs
from profile_image_sync.api.highq import Endpoint
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.spec import FirstSync, Mode
from profile_image_sync.api.state_header import new_header
from profile_image_sync.api.status import Run
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.worker.counters import RunCounters
from profile_image_sync.worker.directory import Directory, Picture
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.highq.oauth import ClientCredentials
from profile_image_sync.worker.highq.timing import Timing
from profile_image_sync.worker.images import make_avatar, source_md5
from profile_image_sync.worker.ledger import Ledger
from profile_image_sync.worker.people import Person, Source
from profile_image_sync.worker.plan import PersonPlan, Policy, Verdict, settings_fingerprint
from profile_image_sync.worker.uploader import Uploader
from testkit.certificates import CertificateAuthority
from testkit.pictures import jpeg, portrait
from testkit.simulator.process import Instance, Simulator
from testkit.simulator.samples import people

UPLOADS = int(os.environ.get("N") or "5000")
SIDE = 96  # pixels: what thumbnailPhoto often holds
PLAIN_UPLOADS = 200  # of the plain script, which takes the same time for each
LIMIT, WINDOW = 300, 60.0  # requests, seconds
LIMITED_WINDOWS = 3  # the last one need not be waited out
LIMITED_UPLOADS = LIMITED_WINDOWS * LIMIT
STATE = UUID(int=0xBE)
SETTINGS = ImageSettings()
KEYS = (None,)  # the match values of everyone: nobody is matched here
Figures = dict[str, float]


class CountingStore:
    """State in memory that counts the bytes written, as a ConfigMap would have to take them."""

    where = "memory"

    def __init__(self) -> None:
        """Begin with an empty state."""
        self._header = new_header(STATE).model_dump_json(by_alias=True).encode()
        self._shards: dict[int, bytes] = {}
        self.written = 0

    def read_header(self) -> bytes | None:
        """See StateStore."""
        return self._header

    def read_shard(self, index: int) -> bytes | None:
        """See StateStore."""
        return self._shards.get(index)

    def write_header(self, data: bytes) -> None:
        """See StateStore."""
        self._header = data
        self.written += len(data)

    def write_shard(self, index: int, data: bytes) -> None:
        """See StateStore."""
        self._shards[index] = data
        self.written += len(data)


class Pictures:
    """The directory's part of an upload: match values and picture by GUID."""

    def __init__(self, count: int, first: int = 1) -> None:
        """Draw pictures of `count` accounts from `first` on; they differ in their last bytes only."""
        drawn = [jpeg(portrait("P", seed, SIDE, SIDE)) for seed in range(20)]
        self.by_account = {
            number: drawn[number % 20] + number.to_bytes(4, "big")
            for number in range(first, first + count)
        }

    def picture(self, guid: UUID, _attribute: str) -> Picture:
        """See Directory."""
        return Picture(KEYS, self.by_account[guid.int % 2**32], "")


def plans(pictures: Pictures) -> list[PersonPlan]:
    """Plan a first upload for everyone."""
    found = []
    for number, raw in pictures.by_account.items():
        guid = UUID(int=(number * 0x9E3779B97F4A7C15 % 2**64) << 64 | number)
        source = Source("thumbnailPhoto", source_md5(raw))
        person = Person(guid, KEYS, source, ("thumbnailPhoto",), f"p{number}@acme.example")
        found.append(PersonPlan(person, Verdict.UPLOAD_FIRST, number))
    return found


@dataclass
class Speed:
    """How fast some pictures were uploaded; processor time does not depend on who else is at work."""

    uploads: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of this process

    @classmethod
    @contextmanager
    def measured(cls, uploads: int) -> Iterator[Self]:
        """Measure what is done meanwhile."""
        speed, started, cpu = cls(uploads), time.monotonic(), time.process_time()
        yield speed
        speed.seconds = time.monotonic() - started
        speed.cpu_seconds = time.process_time() - cpu

    @property
    def per_second(self) -> float:
        """Uploads a second."""
        return self.uploads / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor an upload."""
        return 1000 * self.cpu_seconds / self.uploads


@dataclass(frozen=True)
class Bench:
    """A simulator, and where we keep tokens."""

    simulator: Simulator
    folder: Path

    def instance(self, users: int, **knobs: object) -> Instance:
        """Make an instance with so many users."""
        instance = self.simulator.create_instance(users=people(users))
        instance.knobs(**knobs)
        return instance

    @property
    def trust(self) -> ssl.SSLContext:
        """What trusts the simulator."""
        return ssl.create_default_context(cafile=self.simulator.ca_file)

    def ours(self, instance: Instance, count: int, store: CountingStore, first: int = 1) -> Speed:
        """Upload pictures of `count` accounts from `first` on, as a run does."""
        pictures = Pictures(count, first)
        credentials = ClientCredentials("highq-oauth", *instance.credentials)
        stop = threading.Event()
        assert self.simulator.ca_file
        with HighQClient(
            instance.url,
            endpoint=Endpoint.AVATAR,
            credentials=lambda: credentials,
            store=FolderTokenStore(self.folder / instance.name),
            timing=Timing(stop),
            ca=self.simulator.ca_file.read_text(),
        ) as highq:
            ledger = Ledger.open(store, expected_id=STATE)
            ledger.reserve(count)
            counters = RunCounters()
            highq.account_total()  # authorised: from the seed, or as another run is
            uploader = Uploader(
                directory=cast("Directory", pictures),
                highq=highq,
                ledger=ledger,
                counters=counters,
                policy=_policy(),
                still_leads=lambda *_: True,
                settings=SETTINGS,
                dry_run=False,
                stop=stop,
                clock=time.monotonic,
                progress=lambda _done, _total: None,
            )
            work = sorted(plans(pictures), key=lambda each: ledger.shard_index(each.person.guid))
            with Speed.measured(count) as speed:
                uploader.upload_all(iter(work), count)
        assert counters.filled(Run(id="bench")).uploaded == count
        return speed

    def plain(self, instance: Instance) -> Speed:
        """Let the plain script upload some pictures."""
        pictures = list(Pictures(PLAIN_UPLOADS).by_account.items())
        token = instance.tokens().access_token
        with Speed.measured(PLAIN_UPLOADS) as speed:
            plain_upload.upload_all(instance.url, token, self.trust, pictures)
        return speed

    def bare(self, instance: Instance, count: int) -> float:
        """Let the bare load generator upload one ready picture many times."""
        picture = self.folder / "picture.jpg"
        picture.write_bytes(make_avatar(Pictures(1).by_account[1], SETTINGS).data)
        parts = urlsplit(instance.url)
        arguments = [parts.hostname, parts.port, self.simulator.ca_file, parts.path]
        arguments += [instance.tokens().access_token, picture, count]
        command = [sys.executable, "-m", "benchmarks.bare_load", *map(str, arguments)]
        return float(subprocess.check_output(command, text=True))


def _policy() -> Policy:
    return Policy(
        mode=Mode.CONTINUOUS,
        first_sync=FirstSync.OVERRIDE,
        completed=None,
        image_attributes=("thumbnailPhoto",),
        attributes_version=1,
        upload_moved=False,
        image_settings=settings_fingerprint(SETTINGS),
        upload_settings=settings_fingerprint(SETTINGS, Endpoint.AVATAR),
    )


def refusals(instance: Instance) -> list[int]:
    """Count the 429 of each window: a window is over when it has taken LIMIT requests."""
    counts, taken = [0] * (LIMITED_WINDOWS + 1), 0
    for entry in instance.audit(operation="avatar"):
        if entry.status == 429:
            counts[max(taken - 1, 0) // LIMIT] += 1
        taken += entry.status == 200
    return counts


def used(instance: Instance) -> float:
    """Return which part of the limit was used, in the windows before the last one."""
    times = [entry.at for entry in instance.uploads()]
    pauses = [n for n in range(1, len(times)) if times[n] - times[n - 1] > WINDOW / 4]
    return pauses[-1] / (times[pauses[-1]] - times[0]) / (LIMIT / WINDOW)


def unlimited(bench: Bench) -> Figures:
    """Measure our speed beside the plain script's and the bare load generator's."""
    figures: Figures = {}
    for suffix, latency, factor in (("", 0.02, 1.0), ("_100ms", 0.1, 0.5)):
        count = int(UPLOADS * factor)
        store = CountingStore()
        plain = bench.plain(bench.instance(PLAIN_UPLOADS, latency=latency))
        ours = bench.ours(bench.instance(count, latency=latency), count, store)
        figures |= {f"plain{suffix}": plain.per_second, f"ours{suffix}": ours.per_second}
        figures[f"speedup_vs_plain{suffix}"] = ours.per_second / plain.per_second
        if not suffix:
            figures |= {"cpu_ms_per_upload": ours.cpu_ms, "plain_cpu_ms_per_upload": plain.cpu_ms}
            figures["state_bytes_per_upload"] = store.written / count
            bare = bench.bare(bench.instance(count, latency=latency), count)
            figures |= {"bare": bare, "share_of_bare": ours.per_second / bare}
    return figures


def limited(bench: Bench, name: str, headers: str) -> Figures:
    """Measure how much of a limit is used, and how often it is hit."""
    instance = bench.instance(LIMITED_UPLOADS, rate_limit=LIMIT, rate_window=WINDOW)
    instance.knobs(rate_headers=headers)
    bench.ours(instance, LIMITED_UPLOADS, CountingStore())
    refused = refusals(instance)
    return {
        f"{name}_ratio": used(instance),
        f"{name}_429_in_first_window": refused[0],
        f"{name}_429_per_window": max(refused[1:]),
    }


def shared(bench: Bench) -> Figures:
    """Measure what two runs at once make of one announced limit, and the least part that one of them gets."""
    each = LIMITED_UPLOADS // 2
    instance = bench.instance(LIMITED_UPLOADS)
    bench.ours(instance, 0, CountingStore())  # the tokens that both use
    instance.knobs(rate_limit=LIMIT, rate_window=WINDOW, rate_headers="all")
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(bench.ours, instance, each, CountingStore(), first)
            for first in (1, each + 1)
        ]
        for run in runs:
            run.result()
    done = [entry.user_id or 0 for entry in instance.uploads()]
    ends = min(max(map(done.index, range(first, first + each))) for first in (1, each + 1))
    part = sum(number > each for number in done[:ends]) / ends
    return {
        "shared_ratio": used(instance),
        "shared_least_part": min(part, 1 - part),
        "shared_429_in_first_window": refusals(instance)[0],
        "shared_429_per_window": max(refusals(instance)[1:]),
    }


def failing(bench: Bench) -> Figures:
    """Measure what 5 % of 503 lead to."""
    instance = bench.instance(1000)
    for skip in range(0, 1000, 20):
        instance.fail_next("upload", "status", status=503, skip=skip)
    bench.ours(instance, 1000, CountingStore())
    stored = Counter(entry.user_id for entry in instance.uploads())
    return {"uploads_per_person_with_503": max(stored.values())}


def measure(bench: Bench) -> Figures:
    """Measure everything once; the limits, which are waited for, side by side."""
    figures = unlimited(bench)
    with ThreadPoolExecutor(3) as pool:
        silent = pool.submit(limited, bench, "limited", "reset")
        announced = pool.submit(limited, bench, "announced", "all")
        both = pool.submit(shared, bench)
        figures |= silent.result() | announced.result() | both.result()
    figures |= failing(bench)
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def measured(folder: Path) -> Figures:
    """Measure with a simulator of our own."""
    logs.configure(json=True)  # as in a pod, and as costly
    with Simulator.start(tmp_path=folder, tls=CertificateAuthority(folder / "ca")) as simulator:
        return measure(Bench(simulator, folder))


def main() -> None:
    """Measure, print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "log").open("w") as log, redirect_stderr(log):
            figures = measured(folder)
    print(f"{UPLOADS} first uploads of {SIDE} px pictures, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    for figure, value in figures.items():
        print(f"  {figure:30} {value:10.2f}")
    print(json.dumps({figure: round(value, 3) for figure, value in figures.items()}))


if __name__ == "__main__":
    main()
