"""`authorize` as an administrator runs it: its process, and what a browser would do."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from testkit.simulator.process import Instance, Simulator
from tests.support.tinyproxy import free_port


@dataclass
class Authorizing:
    """A running `authorize` that waits for the browser."""

    process: subprocess.Popen[str]
    instance: Instance
    redirect: str
    address: str  # to open in a browser; "": the command ended before
    told: str  # on standard error, before that

    def finished(self) -> tuple[int, str, str]:
        """Wait; return exit code, output and errors."""
        output, errors = self.process.communicate(timeout=300)
        return self.process.returncode, output, self.told + errors


@contextmanager
def authorizing(
    simulator: Simulator,
    instance: Instance,
    *options: str | Path,
    secret: str | None = None,
    **environment: str,
) -> Iterator[Authorizing]:
    """Start the command, give it the client secret by its standard input, and read the address."""
    redirect = f"http://127.0.0.1:{free_port()}/"
    command = [sys.executable, "-m", "profile_image_sync", "authorize", "--url", instance.url]
    command += ["--client-id", instance.clients[0].client_id, "--redirect", redirect]
    command += ["--ca", str(simulator.ca_file), *map(str, options)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdin
    assert process.stderr
    process.stdin.write((secret or instance.clients[0].client_secret) + "\n")
    process.stdin.flush()
    try:
        before: list[str] = []
        for line in process.stderr:
            before.append(line)
            if line.startswith("https://"):
                break
        else:
            before.append("")
        yield Authorizing(process, instance, redirect, before.pop().strip(), "".join(before))
    finally:
        process.kill()
        process.communicate()


def sent_back(simulator: Simulator, address: str) -> str:
    """Do as a browser does up to the redirect; return where it goes."""
    trust = ssl.create_default_context(cafile=simulator.ca_file)
    with httpx.Client(verify=trust, trust_env=False) as browser:
        return browser.get(address).headers["location"]
