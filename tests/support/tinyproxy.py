"""A real HTTP proxy: tinyproxy, as a child process."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USERNAME, PASSWORD = "sync", "pr0xy-pa55word"
READY_WITHIN = 10.0  # seconds


@dataclass(frozen=True)
class Tinyproxy:
    """A running proxy."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return f"http://127.0.0.1:{self.port}"

    def requests(self) -> list[str]:
        """Return the request lines that it has seen, oldest first."""
        marker = "Request (file descriptor"
        lines = [line for line in self.log.read_text().splitlines() if marker in line]
        return [line.partition("): ")[2] for line in lines]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def tinyproxy(
    folder: Path, *, password: bool = False, allowed_port: int | None = None
) -> Iterator[Tinyproxy]:
    """Run a proxy; with a password it answers 407 to others, beside the allowed port 403."""
    proxy = Tinyproxy(free_port(), folder / "tinyproxy.log")
    lines = [f"Port {proxy.port}", "Listen 127.0.0.1", "Timeout 30", "Allow 127.0.0.1"]
    lines += [f'LogFile "{proxy.log}"', "LogLevel Connect", "MaxClients 100"]
    lines += [f"BasicAuth {USERNAME} {PASSWORD}"] if password else []
    lines += [f"ConnectPort {allowed_port}"] if allowed_port else []
    configuration = folder / "tinyproxy.conf"
    configuration.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(
        ["tinyproxy", "-d", "-c", str(configuration)], stdout=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(proxy.port)
        yield proxy
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "tinyproxy does not start"
            time.sleep(0.02)
        else:
            return
