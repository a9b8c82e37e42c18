"""How fast a directory is read, and what that takes: `make bench-reading [N=100000]`.

A scripted LDAP server (TLS) in a process of its own serves N people with 5 KB pictures. The same full read is
done by us, by a bare loop of ldap3 with MD5, and by python-ldap where it is installed (Debian: python3-ldap),
each in a process of its own. Prints a table, and as its last line one JSON object of its figures.

Whole runs are measured as well, with a HighQ in memory where 30 % of the people have no account: a full
sweep, a run in which nothing changed, and one in which 100 pictures did. `changes_ratio` compares the last
two, without the time that HighQ takes to list its users, and without the uploads.

`peak_mib` is the most memory that a process takes that does a first sync and a full sweep of everyone,
`base_mib` what it takes before; `bytes_per_person` is by how much the peak grows from a fifth of the people.

We stay with ldap3: python-ldap is about 1.6 times as fast, but has no wheel for Linux, and a domain
controller and HighQ are slower than either. bonsai 1.5.5 has no wheel either; built from source it read
10,000 people in 1.0 to 1.3 s where we took 1.3 to 1.8 s (three pairs, on a busy machine).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, cast
from uuid import UUID

from ldap3 import NONE, SUBTREE, Connection, Server, Tls
from PIL import Image

from profile_image_sync import logs
from profile_image_sync.api.activedirectory import ActiveDirectory
from profile_image_sync.api.report import Report
from profile_image_sync.api.run_spec import RunSpec
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.api.state_header import new_header
from profile_image_sync.api.status import Trigger
from profile_image_sync.local.folder_store import FolderStore
from profile_image_sync.local.folder_token_store import FolderTokenStore
from profile_image_sync.worker.directory import BindCredentials, Directory
from profile_image_sync.worker.highq.highq_client import HighQClient
from profile_image_sync.worker.highq.listing import T
from profile_image_sync.worker.images import largest
from profile_image_sync.worker.people import MAX_ACCOUNT_ID, Account, Avatar
from profile_image_sync.worker.run import RunContext, execute
from profile_image_sync.worker.shards import Accepted, PersonRecord, Shard, encode_shard
from testkit import pictures
from testkit.certificates import CertificateAuthority
from testkit.ldap_server import DOMAIN_GUID, NAMING_CONTEXT, PageResponse, ScriptedLdapServer

PEOPLE = int(os.environ.get("N") or "100000")
PAGE = 500
PICTURE = os.urandom(4_992)
CHANGES, CHANGED = 100, "changed"  # people, and the file that makes them so
CHANGED_PICTURE = pictures.png(Image.new("RGB", (96, 96), (9, 99, 199)))
SETTINGS = b"CN=NTDS Settings,CN=DC1"
WHO = ("reader@ad.test", "secret")
FILTER = "(sAMAccountType=805306368)"
ATTRIBUTES = ["objectGUID", "mail", "userPrincipalName", "sAMAccountName", "thumbnailPhoto"]
SYSTEM_PYTHON = "/usr/bin/python3"
STATUS = Path("/proc/self/status")

PYTHON_LDAP = """
import hashlib, json, sys, time
import ldap
from ldap.controls import SimplePagedResultsControl
url, ca_file, user, password, base, search_filter, page, *attributes = sys.argv[1:]
connection = ldap.initialize(url)
connection.set_option(ldap.OPT_X_TLS_CACERTFILE, ca_file)
connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
connection.simple_bind_s(user, password)
started, people, control = time.perf_counter(), 0, SimplePagedResultsControl(True, int(page), "")
while True:
    sent = connection.search_ext(base, ldap.SCOPE_SUBTREE, search_filter, attributes, serverctrls=[control])
    _, entries, _, controls = connection.result3(sent)
    for _, entry in entries:
        hashlib.md5(entry["thumbnailPhoto"][0]).digest()
    people += len(entries)
    control.cookie = controls[0].cookie
    if not control.cookie:
        break
print(json.dumps({"people": people, "seconds": time.perf_counter() - started}))
"""


def serve(folder: Path) -> None:
    """Serve until standard input ends. One client at a time: pages are counted over all searches."""
    server = ScriptedLdapServer(*CertificateAuthority(folder).issue("127.0.0.1"))
    script, pages = server.script, -(-PEOPLE // PAGE)
    script.root = {
        "defaultNamingContext": [NAMING_CONTEXT],
        "dnsHostName": [b"dc1.ad.test"],
        "dsServiceName": [SETTINGS],
        "highestCommittedUSN": [b"500000"],
    }
    entries = {SETTINGS: {"invocationId": [UUID(int=5).bytes_le]}}
    changed = folder / CHANGED

    def entry(dn: bytes) -> dict[str, list[bytes]]:
        if dn.startswith(b"<GUID="):
            return person(UUID(dn[6:-1].decode()).int, changed=True)
        return entries.get(dn, {"objectGUID": [DOMAIN_GUID.bytes_le]})

    script.entry = entry

    def page(number: int) -> PageResponse:
        search = script.searches.pop()
        named = re.findall(rb"objectGUID\x04\x10(.{16})", search, re.DOTALL)
        bearers = {int(each) for each in re.findall(rb"person\.(\d+)@", search)}
        bearers |= {UUID(bytes_le=guid).int for guid in named}
        if bearers or re.search(rb"uSNChanged\x04.\d", search):
            script.pages -= 1
            found = bearers or (range(CHANGES) if changed.exists() else ())
            return PageResponse([person(each, changed=each < CHANGES) for each in found])
        index = (number - 1) % pages
        numbers = range(index * PAGE, min(PEOPLE, (index + 1) * PAGE))
        more = b"more" if index < pages - 1 else b""
        return PageResponse([person(each) for each in numbers], more)

    script.page = page
    with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


def person(number: int, *, changed: bool = False) -> dict[str, list[bytes]]:
    """Return an entry; a changed one has a picture that can be converted."""
    picture = CHANGED_PICTURE if changed else PICTURE
    return {
        "objectGUID": [UUID(int=number).bytes_le],
        "mail": [b"person.%d@firm.example" % number],
        "userPrincipalName": [b"p%d@ad.test" % number],
        "sAMAccountName": [b"p%d" % number],
        "uSNChanged": [b"500001" if changed else b"400000"],
        "thumbnailPhoto": [picture + number.to_bytes(8, "big")],
    }


def memory(field: str) -> int:
    """Return a figure of the kernel's for this process, in bytes."""
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


def connect(spec: ActiveDirectory, ca_file: Path) -> Directory:
    """Open the directory as a run does."""
    return Directory.connect(
        spec,
        ["mail", "userPrincipalName"],
        lambda: BindCredentials(*WHO),
        ca_file.read_text(),
        largest,
    )


def read_ours(url: str, ca_file: Path) -> dict[str, float]:
    """Read everyone as a run does."""
    spec = {"servers": [url], "credentialsSecretRef": {"name": "ad-bind"}}
    with connect(ActiveDirectory.model_validate(spec), ca_file) as directory:
        started = time.perf_counter()
        people = sum(1 for _ in directory.people())
        return {"people": people, "seconds": time.perf_counter() - started}


class NoSecrets:
    """The seed of a token pair that there is not."""

    def read(self, kind: str, name: str, key: str) -> str:
        """Return something."""
        return f"{kind} {name} {key}"


class MemoryHighQ:
    """A HighQ in memory: 70 % of the people have an account; it counts its calls, and the time they take."""

    skipped_accounts = 0

    def __init__(self) -> None:
        self.calls = self.uploads = 0
        self.seconds = 0.0

    def read_into(self, begin: Callable[[], T]) -> T:
        """List everyone's, a thousand at a time."""
        sink, self.calls = begin(), self.calls + 1
        for first in range(0, PEOPLE * 7 // 10, 1000):
            started = time.perf_counter()
            page = [
                Account(number + 1, True, f"person.{number}@firm.example", None)
                for number in range(first, min(first + 1000, PEOPLE * 7 // 10))
            ]
            self.seconds += time.perf_counter() - started
            for account in page:
                sink.append(account)
        return sink

    def token_expiry(self) -> None:
        """Say nothing."""

    def account_total(self) -> int:
        """Return how many there are."""
        self.calls += 1
        return PEOPLE * 7 // 10

    def upload(self, _account_id: int, _avatar: Avatar) -> None:
        """Take a picture."""
        self.uploads += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""


def do_runs(url: str, ca_file: Path) -> dict[str, float]:
    """Do whole runs on a state in a folder: first everyone, then nobody, then 100 people changed."""
    logs.configure(json=True, quiet=True)
    spec = ProfileImageSyncSpec.model_validate(
        {
            "schedule": "@hourly",
            "firstSync": "Adopt",
            "activeDirectory": {"servers": [url], "credentialsSecretRef": {"name": "ad-bind"}},
            "highq": {"url": "https://a.highq.com/a", "credentialsSecretRef": {"name": "highq"}},
            "safety": {"minMatchedPercent": 0},
        }
    )
    folder = ca_file.parent / "state"
    base = memory("VmRSS")
    with FolderStore.open(folder) as store:
        store.initialise(new_header(UUID(int=1)))

        uploading = [0.0, 0.0]  # began, last heard of

        def progress(done: int, _total: int) -> None:
            uploading[bool(done)] = time.perf_counter()

        def run(trigger: Trigger) -> tuple[float, MemoryHighQ, Report]:
            highq, started = MemoryHighQ(), time.perf_counter()
            context = RunContext(
                run_id="run",
                job="",
                store=store,
                tokens=FolderTokenStore(folder),
                references=NoSecrets(),
                now=lambda: datetime.now(UTC),
                clock=time.monotonic,
                new_id=lambda: "id",
                stop=threading.Event(),
                progress=progress,
                open_directory=lambda spec, _: connect(spec.active_directory, ca_file),
                open_highq=lambda *_, **__: cast("HighQClient", highq),
            )
            run_spec = RunSpec(
                namespace="n",
                name="acme",
                generation=1,
                trigger=trigger,
                state_id=UUID(int=1),
                spec=spec,
            )
            report = execute(run_spec, context).report
            assert not report.exit_code, report.message
            return time.perf_counter() - started, highq, report

        run(Trigger.SCHEDULE)
        swept, _, report = run(Trigger.REQUEST)
        peak = memory("VmHWM")
        assert report.run.unchanged == PEOPLE * 7 // 10
        assert report.run.unmatched == PEOPLE - report.run.unchanged
        unchanged, highq, report = min(
            (run(Trigger.SCHEDULE) for _ in range(5)), key=lambda each: each[0]
        )
        assert (highq.calls, report.full_sweep) == (1, "")
        (ca_file.parent / CHANGED).touch()
        started, highq, report = run(Trigger.SCHEDULE)
        assert highq.uploads == report.run.uploaded == CHANGES
    return {
        "sweep_seconds": swept,
        "unchanged_seconds": unchanged,
        "changes_seconds": started,
        "changes_to_judge": started - highq.seconds - (uploading[1] - uploading[0]),
        "base_bytes": base,
        "peak_bytes": peak,
    }


def read_bare(url: str, ca_file: Path) -> dict[str, float]:
    """Read everyone by ldap3's own paged search, and hash their pictures."""
    host, _, port = url.removeprefix("ldaps://").partition(":")
    tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(ca_file))
    server = Server(host, port=int(port), use_ssl=True, get_info=NONE, tls=tls)
    connection = Connection(server, *WHO, auto_bind=True, raise_exceptions=True, check_names=False)
    started = time.perf_counter()
    found = connection.extend.standard.paged_search(
        NAMING_CONTEXT.decode(), FILTER, SUBTREE, attributes=ATTRIBUTES, paged_size=PAGE
    )
    people = 0
    for entry in found:
        hashlib.md5(entry["raw_attributes"]["thumbnailPhoto"][0], usedforsecurity=False).digest()
        people += 1
    return {"people": people, "seconds": time.perf_counter() - started}


def state_bytes_per_person(people: int = 2_000) -> float:
    """Return what a person takes in a ConfigMap, whose binary data is base64."""
    shard = Shard(UUID(int=1), 0, 1)
    for number in range(people):
        guid = UUID(bytes=hashlib.sha256(b"%d" % number).digest()[:16])
        accepted = Accepted(guid.bytes, "thumbnailPhoto", MAX_ACCOUNT_ID - number, 1)
        shard.put(guid, PersonRecord(accepted))
    return len(encode_shard(shard)) * 4 / 3 / people


def in_child(mode: str, *arguments: str, people: int = PEOPLE) -> dict[str, float]:
    """Run one part of this module in a process of its own."""
    return _json([sys.executable, "-m", "benchmarks.reading", mode, *arguments], people)


@contextmanager
def served(people: int = PEOPLE) -> Iterator[tuple[str, Path]]:
    """Serve so many people; give the server's URL and its CA file."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "benchmarks.reading", "serve", name]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"N": str(people)},
        ) as server:
            assert server.stdin
            assert server.stdout
            try:
                yield server.stdout.readline().strip(), Path(name) / "ca.pem"
            finally:
                server.stdin.close()


def _json(command: list[str], people: int = PEOPLE) -> dict[str, float]:
    env = os.environ | {"N": str(people)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def python_ldap(url: str, ca_file: Path) -> dict[str, float] | None:
    """Return what python-ldap takes; None where it is not installed."""
    if not shutil.which(SYSTEM_PYTHON):
        return None
    given = [url, str(ca_file), *WHO, NAMING_CONTEXT.decode(), FILTER, str(PAGE), *ATTRIBUTES]
    try:
        return _json([SYSTEM_PYTHON, "-c", PYTHON_LDAP, *given])
    except RuntimeError as error:
        sys.stderr.write(f"python-ldap is not measured: {str(error).splitlines()[-1]}\n")
        return None


def main() -> None:
    """Measure, one after the other, and print."""
    fewer = PEOPLE // 5
    with served(fewer) as (url, ca_file):
        small = in_child("runs", url, str(ca_file), people=fewer)
    with served() as (url, ca_file):
        ours = in_child("ours", url, str(ca_file))
        bare = in_child("bare", url, str(ca_file))
        runs = in_child("runs", url, str(ca_file))
        other = python_ldap(url, ca_file)
    runs["bytes_per_person"] = (runs["peak_bytes"] - small["peak_bytes"]) / (PEOPLE - fewer)
    _print(ours, bare, other, runs)


def _print(
    ours: dict[str, float],
    bare: dict[str, float],
    other: dict[str, float] | None,
    runs: dict[str, float],
) -> None:
    rows = [("full read, ours", ours), ("full read, bare ldap3", bare)]
    rows += [("full read, python-ldap", other)] if other else []
    for label, found in rows:
        speed = found["people"] / found["seconds"]
        sys.stdout.write(f"{label:28}{found['seconds']:9.2f} s{speed:10.0f} people/s\n")
    labels = {"sweep": "full sweep", "unchanged": "nothing changed", "changes": "100 changes"}
    for name, label in labels.items():
        sys.stdout.write(f"{f'whole run, {label}':28}{runs[f'{name}_seconds']:9.4f} s\n")
    unchanged = runs["unchanged_seconds"]
    figures = {
        "people": PEOPLE,
        "full_sweep_ratio": round(bare["seconds"] / ours["seconds"], 2),
        "python_ldap_ratio": round(other["seconds"] / ours["seconds"], 2) if other else None,
        "unchanged_speedup": round(runs["sweep_seconds"] / unchanged),
        "changes_ratio": round(runs["changes_to_judge"] / unchanged, 1),
        "peak_mib": round(runs["peak_bytes"] / 2**20, 1),
        "base_mib": round(runs["base_bytes"] / 2**20, 1),
        "bytes_per_person": round(runs["bytes_per_person"]),
        "state_bytes_per_person": round(state_bytes_per_person(), 1),
    }
    sys.stdout.write(f"{json.dumps(figures)}\n")


PARTS: dict[str, Callable[[str, Path], dict[str, float]]] = {
    "ours": read_ours,
    "bare": read_bare,
    "runs": do_runs,
}

if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "serve":
        serve(Path(sys.argv[2]))
    else:
        sys.stdout.write(json.dumps(PARTS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))) + "\n")
