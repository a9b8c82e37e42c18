"""How soon a worker is at work: `make bench-start [N=10]`.

Real workers with a real API server, from the start of the process to the first bytes that the directory hears
(its TLS ClientHello), beside a Python that does nothing. Prints a table, the ten packages that take long to
import, and as its last line one JSON object of its figures.
"""

from __future__ import annotations

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from testkit.control_plane import run_control_plane
from testkit.sync_command import COMMAND, merged
from tests.support.worker_environment import SPEC, WorkerEnvironment

STARTS = int(os.environ.get("N") or "10")
SHOWN = 10
SILENT_SECONDS = 60.0  # a worker that has said nothing by then never will
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")


def seconds_to_first_packet(worker: WorkerEnvironment, mounts: Path) -> float:
    """Start a worker; return when its directory, which answers nothing, heard from it."""
    with socket.create_server(("127.0.0.1", 0)) as directory:
        directory.settimeout(SILENT_SECONDS)
        server = f"ldaps://127.0.0.1:{directory.getsockname()[1]}"
        spec = merged(SPEC, {"activeDirectory": {"servers": [server]}})
        variables = base_variables() | worker.variables(spec, str(uuid.uuid4()))
        began = time.monotonic()
        with subprocess.Popen(
            [*COMMAND, "worker", "--mounts", str(mounts)], env=variables, stderr=subprocess.DEVNULL
        ) as process:
            connection, _ = directory.accept()
            connection.settimeout(SILENT_SECONDS)
            heard = connection.recv(1)
            seconds = time.monotonic() - began
            connection.close()
            directory.close()  # the next attempt is refused, and the run ends
            process.wait()
    assert heard == b"\x16", "no TLS handshake"
    return seconds


def seconds_of_bare_python() -> float:
    """Return how long an interpreter takes that imports nothing of ours."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], env=base_variables(), check=True)
    return time.monotonic() - began


def import_microseconds() -> Counter[str]:
    """Return the time of each package's modules, without what they import; our own by module."""
    code = "import profile_image_sync.__main__, profile_image_sync.pod.main"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        env=base_variables(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: Counter[str] = Counter()
    for microseconds, module in _IMPORT.findall(done.stderr):
        package = module.partition(".")[0]
        found[module if package == "profile_image_sync" else package] += int(microseconds)
    return found


def base_variables() -> dict[str, str]:
    """Return what a process needs of our environment."""
    return {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}


def mounted(folder: Path) -> Path:
    """Lay out the Secrets that the spec names, as the kubelet mounts them."""
    secrets = {
        "ad-bind": {"username": "reader", "password": "bench"},
        "highq-oauth": {"clientId": "c", "clientSecret": "bench", "refreshToken": "bench"},
    }
    for name, keys in secrets.items():
        (folder / "secrets" / name).mkdir(parents=True)
        for key, value in keys.items():
            (folder / "secrets" / name / key).write_text(value)
    return folder


def measure(folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of each worker and of each bare Python, in turn; the first pair only warms up."""
    workers, bare = [], []
    with run_control_plane(folder / "plane") as control_plane:
        worker, mounts = WorkerEnvironment.create(control_plane, folder), mounted(folder / "mounts")
        for _ in range(STARTS + 1):
            bare.append(seconds_of_bare_python())
            workers.append(seconds_to_first_packet(worker, mounts))
        worker.close()
    return workers[1:], bare[1:]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        workers, bare = measure(Path(folder))
    imports = import_microseconds()
    say(f"{'of ' + str(STARTS) + ' starts, seconds':38} {'best':>8} {'median':>8}")
    for what, found in (("worker, to its first LDAP packet", workers), ("python -c pass", bare)):
        say(f"{what:38} {min(found):8.3f} {statistics.median(found):8.3f}")
    say(
        f"\nimports: {imports.total() / 1e6:.3f} s (with -X importtime, which slows them), of which"
    )
    for module, microseconds in imports.most_common(SHOWN):
        say(f"{module:38} {microseconds / 1e6:8.3f}")
    figures: dict[str, Any] = {
        "start_seconds": round(statistics.median(workers), 3),
        "start_seconds_best": round(min(workers), 3),
        "bare_python_seconds": round(statistics.median(bare), 3),
        "start_ratio": round(statistics.median(workers) / statistics.median(bare), 1),
        "import_seconds": round(imports.total() / 1e6, 3),
        "load": round(os.getloadavg()[0], 1),
    }
    say(json.dumps(figures))


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
