"""A running domain controller: a real process, stopped by closing it or when its parent dies."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from testkit.certificates import CertificateAuthority
from testkit.samba import provision
from testkit.samba.administrator import Administrator

START_SECONDS = 30.0
STOP_SECONDS = 10.0
LDAPS = 636
EVERYWHERE = "0.0.0.0"  # noqa: S104  # pods reach the host by an address that is not known here


class DomainController:
    """Samba's domain controller for ad.test, serving LDAPS and StartTLS."""

    domain = provision.DOMAIN
    naming_context = provision.NAMING_CONTEXT
    bind_user = provision.BIND_USER
    bind_password = provision.BIND_PASSWORD
    administrator = provision.ADMINISTRATOR
    administrator_password = provision.ADMINISTRATOR_PASSWORD

    def __init__(
        self,
        folder: Path,
        addresses: Sequence[str],
        *,
        names: Iterable[str] = (),
        unnamed: Sequence[str] = (),
        authority: CertificateAuthority | None = None,
        services: str = "ldap",
        prefix: Sequence[str] = (),
    ) -> None:
        """Serve the domain in `folder` on `addresses`; LDAP's ports are fixed, so these must be free.

        The certificate proves dc1.ad.test, `addresses` and `names`; the server also listens on
        `unnamed` addresses, which it does not prove. EVERYWHERE serves all addresses. `authority`: of
        the certificate; `services`: Samba's; `prefix`: of the command.
        """
        self.folder = folder
        self._addresses = [*addresses, *unnamed]
        self.host = "127.0.0.1" if EVERYWHERE in addresses else addresses[0]
        self.url = f"ldaps://{self.host}"
        self.start_tls_url = f"ldap://{self.host}"
        self.unnamed_urls = [f"ldaps://{address}" for address in unnamed]
        self._services, self._prefix = services, prefix
        issuer = authority or CertificateAuthority(folder.with_name(f"{folder.name}-ca"))
        self.ca_file = issuer.ca_file
        proven = dict.fromkeys([provision.HOST_NAME, self.host, *addresses, *names])
        self._certificate, self._key = issuer.issue(*proven)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start serving and wait until LDAPS answers."""
        run = self.folder / "run"
        run.mkdir(exist_ok=True)
        options = {
            "server services": self._services,
            "prefork children": "2",
            "ldb:nosync": "true",  # a test's domain need not survive a power cut
            "interfaces": " ".join(f"{address}/8" for address in self._addresses),
            "bind interfaces only": "no" if EVERYWHERE in self._addresses else "yes",
            "tls certfile": self._certificate,
            "tls keyfile": self._key,
            "tls cafile": self.ca_file,
            "pid directory": run,
            "ncalrpc dir": run / "ncalrpc",
        }
        command = [*self._prefix, "samba", "-i", "-M", "prefork", "--debug-stdout"]
        command += ["-s", str(self.folder / "etc" / "smb.conf")]
        command += [f"--option={name}={value}" for name, value in options.items()]
        with (self.folder / "samba.log").open("ab") as log:
            self._process = subprocess.Popen(  # it ends when its standard input does
                command, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop serving; the database stays."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait(self) -> int:
        """Wait until the server ends by itself; return its exit code."""
        return self._process.wait() if self._process else 0

    def sign_in(self) -> Administrator:
        """Return an administrator, to change the directory."""
        return Administrator(self.host, self.ca_file, self.folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        context = ssl.create_default_context(cafile=str(self.ca_file))
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            with (
                suppress(OSError),
                socket.create_connection((self.host, LDAPS), timeout=1) as plain,
                context.wrap_socket(plain, server_hostname=self.host),
            ):
                return
            time.sleep(0.05)
        self.stop()
        log = (self.folder / "samba.log").read_text(errors="replace")
        raise RuntimeError(f"the domain controller did not start: {log[-2000:]}")


def free_loopback_addresses(count: int) -> list[str]:
    """Return addresses of this machine on which nobody serves LDAPS yet."""
    found: list[str] = []
    for offset in range(250 * 250):
        at = os.getpid() + offset
        address = f"127.77.{at // 250 % 250}.{at % 250 + 1}"
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, LDAPS))
            found.append(address)
        if len(found) == count:
            return found
    raise RuntimeError("no free loopback address")
