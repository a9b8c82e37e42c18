"""How fast a directory is read, and what that takes: `make bench-reading [N=100000]`.

A scripted LDAP server (TLS) in a process of its own serves N people with 5 KB pictures. The same full read is
done by us, by a bare loop of ldap3 with MD5, and by python-ldap where it is installed (Debian: python3-ldap),
each in a process of its own. Prints a table, and as its last line one JSON object of its figures.

We stay with ldap3: python-ldap is about 1.6 times as fast, but has no wheel for Linux, and a domain
controller and HighQ are slower than either. bonsai has no wheel either and was not measured.

`unchanged_speedup` compares a full read with a window of changes that is empty; runs do not use windows yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from ldap3 import NONE, SUBTREE, Connection, Server, Tls

from profile_image_sync.api.activedirectory import ActiveDirectory
from profile_image_sync.worker.directory import BindCredentials, Directory, window_since
from profile_image_sync.worker.images import largest
from profile_image_sync.worker.people import MAX_ACCOUNT_ID
from profile_image_sync.worker.shards import Accepted, PersonRecord, Shard, encode_shard
from testkit.certificates import CertificateAuthority
from testkit.ldap_server import DOMAIN_GUID, NAMING_CONTEXT, PageResponse, ScriptedLdapServer

PEOPLE = int(os.environ.get("N") or "100000")
PAGE = 500
PICTURE = os.urandom(5_000)
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
    script.entry = lambda dn: entries.get(dn, {"objectGUID": [DOMAIN_GUID.bytes_le]})

    def page(number: int) -> PageResponse:
        if b"uSNChanged" in script.searches.pop():
            script.pages -= 1
            return PageResponse()
        index = (number - 1) % pages
        numbers = range(index * PAGE, min(PEOPLE, (index + 1) * PAGE))
        return PageResponse(
            [
                {
                    "objectGUID": [UUID(int=number).bytes_le],
                    "mail": [b"person.%d@firm.example" % number],
                    "userPrincipalName": [b"p%d@ad.test" % number],
                    "sAMAccountName": [b"p%d" % number],
                    "thumbnailPhoto": [PICTURE[8:] + number.to_bytes(8, "big")],
                }
                for number in numbers
            ],
            b"more" if index < pages - 1 else b"",
        )

    script.page = page
    with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


def memory(field: str) -> int:
    """Return a figure of the kernel's for this process, in bytes."""
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


def read_ours(url: str, ca_file: Path) -> dict[str, float]:
    """Read everyone as a run does, keeping the list that it plans from; then a window without a change."""
    spec = {"servers": [url], "credentialsSecretRef": {"name": "ad-bind"}}
    with Directory.connect(
        ActiveDirectory.model_validate(spec),
        ["mail", "userPrincipalName"],
        lambda: BindCredentials(*WHO),
        ca_file.read_text(),
        largest,
    ) as directory:
        cursor, base = directory.position(), memory("VmRSS")
        started = time.perf_counter()
        people = list(directory.people())
        seconds = time.perf_counter() - started
        peak = memory("VmHWM")
        started = time.perf_counter()
        window = window_since([cursor], directory.position())
        assert window  # it is the same server
        changed = sum(1 for _ in directory.people(window))
        unchanged_seconds = time.perf_counter() - started
    assert changed == 0  # or the comparison means nothing
    return {
        "people": len(people),
        "seconds": seconds,
        "unchanged_seconds": unchanged_seconds,
        "peak_mib": peak / 2**20,
        "bytes_per_person": (memory("VmRSS") - base) / len(people),
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


def in_child(mode: str, *arguments: str) -> dict[str, float]:
    """Run one part of this module in a process of its own."""
    return _json([sys.executable, "-m", "benchmarks.reading", mode, *arguments])


def _json(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "benchmarks.reading", "serve", name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as server:  # type: ignore[call-overload]
            try:
                url, ca_file = server.stdout.readline().strip(), Path(name) / "ca.pem"
                ours = in_child("ours", url, str(ca_file))
                bare = in_child("bare", url, str(ca_file))
                other = python_ldap(url, ca_file)
            finally:
                server.stdin.close()
    _print(ours, bare, other)


def _print(ours: dict[str, float], bare: dict[str, float], other: dict[str, float] | None) -> None:
    rows = [("full read, ours", ours), ("full read, bare ldap3", bare)]
    rows += [("full read, python-ldap", other)] if other else []
    for label, found in rows:
        speed = found["people"] / found["seconds"]
        sys.stdout.write(f"{label:28}{found['seconds']:9.2f} s{speed:10.0f} people/s\n")
    sys.stdout.write(f"{'window without a change':28}{ours['unchanged_seconds']:9.4f} s\n")
    figures = {
        "people": PEOPLE,
        "full_sweep_ratio": round(bare["seconds"] / ours["seconds"], 2),
        "python_ldap_ratio": round(other["seconds"] / ours["seconds"], 2) if other else None,
        "unchanged_speedup": round(ours["seconds"] / ours["unchanged_seconds"]),
        "peak_mib": round(ours["peak_mib"], 1),
        "bytes_per_person": round(ours["bytes_per_person"]),
        "state_bytes_per_person": round(state_bytes_per_person(), 1),
    }
    sys.stdout.write(f"{json.dumps(figures)}\n")


PARTS: dict[str, Callable[[str, Path], dict[str, float]]] = {"ours": read_ours, "bare": read_bare}

if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "serve":
        serve(Path(sys.argv[2]))
    else:
        sys.stdout.write(json.dumps(PARTS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))) + "\n")
