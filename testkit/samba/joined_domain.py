"""Two domain controllers of one domain, which replicate, with Samba's own DNS. Needs root.

Each has a network namespace of its own, joined by a bridge: LDAP's, Kerberos' and DNS's ports are fixed. The
bridge leads nowhere else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from testkit.certificates import CertificateAuthority
from testkit.samba import provision
from testkit.samba.domain_controller import DomainController

SERVICES = "rpc ldap cldap kdc drepl kcc dns dnsupdate"
CREDENTIALS = f"-Uadministrator%{provision.ADMINISTRATOR_PASSWORD}"
NAMESPACES = Path("/etc/netns")  # files here replace those of /etc in a namespace


class JoinedDomain:
    """`with JoinedDomain(folder) as domain`: starting takes about 20 s."""

    def __init__(self, folder: Path) -> None:
        """Keep everything in `folder`."""
        self._folder = folder
        self._authority = CertificateAuthority(folder / "authority")
        self._number = os.getpid() % 250 + 1
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            self._connect_namespaces()
            self.first = self._start_first()
            self.second = self._join_second()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def dns_server(self) -> str:
        """The address of the DNS server that knows the domain."""
        return self._address(1)

    def inside(self, *command: str) -> list[str]:
        """Return a command that runs where the domain's names are resolved."""
        return [*self._inside(1), *command]

    def add_srv_record(self, target: str, *, priority: int, weight: int) -> None:
        """Have the DNS name another domain controller."""
        self._dns("add", "_msdcs.ad.test", "_ldap._tcp.dc", f"{target} 389 {priority} {weight}")

    def delete_srv_record(self, target: str, *, priority: int, weight: int) -> None:
        """Have the DNS forget a domain controller."""
        self._dns("delete", "_msdcs.ad.test", "_ldap._tcp.dc", f"{target} 389 {priority} {weight}")

    def _dns(self, verb: str, zone: str, name: str, data: str) -> None:
        _run([*self._inside(1), "samba-tool", "dns", verb, self._address(1), zone, name, "SRV", data,
              CREDENTIALS])  # fmt: skip

    def _address(self, index: int) -> str:
        return f"10.77.{self._number}.{index}"

    def _namespace(self, index: int) -> str:
        return f"pis{self._number}-dc{index}"

    def _inside(self, index: int) -> list[str]:
        kerberos = self._folder / "dc1" / "private" / "krb5.conf"
        return ["ip", "netns", "exec", self._namespace(index), "env", f"KRB5_CONFIG={kerberos}"]

    def _connect_namespaces(self) -> None:
        bridge = f"pis{self._number}"
        _run(["ip", "link", "add", bridge, "type", "bridge"])
        self._stack.callback(_run, ["ip", "link", "del", bridge])
        _run(["ip", "address", "add", f"{self._address(254)}/24", "dev", bridge])
        _run(["ip", "link", "set", bridge, "up"])
        for index in (1, 2):
            namespace, host_end = self._namespace(index), f"pis{self._number}-{index}"
            _run(["ip", "netns", "add", namespace])
            self._stack.callback(_run, ["ip", "netns", "del", namespace])
            _run(["ip", "link", "add", host_end, "type", "veth", "peer", "name", "eth0",
                  "netns", namespace])  # fmt: skip
            _run(["ip", "link", "set", host_end, "master", bridge, "up"])
            inside = ["ip", "-n", namespace]
            _run([*inside, "address", "add", f"{self._address(index)}/24", "dev", "eth0"])
            for device in ("eth0", "lo"):
                _run([*inside, "link", "set", device, "up"])
            self._write_etc(namespace)

    def _write_etc(self, namespace: str) -> None:
        folder = NAMESPACES / namespace
        folder.mkdir(parents=True)
        self._stack.callback(shutil.rmtree, folder)
        (folder / "resolv.conf").write_text(f"search ad.test\nnameserver {self._address(1)}\n")
        names = [f"{self._address(index)} dc{index}.ad.test dc{index}" for index in (1, 2)]
        (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))

    def _controller(self, index: int) -> DomainController:
        controller = DomainController(
            self._folder / f"dc{index}",
            [self._address(index), "127.0.0.1"],
            names=[f"dc{index}.{provision.DOMAIN}"],
            authority=self._authority,
            services=SERVICES if index == 2 else f"{SERVICES} winbindd",  # the join needs NTLM
            prefix=self._inside(index),
        )
        return self._stack.enter_context(controller)

    def _start_first(self) -> DomainController:
        provision.provision(self._folder / "dc1", address=self._address(1), dns=True)
        return self._controller(1)

    def _join_second(self) -> DomainController:
        _run([*self._inside(2), "samba-tool", "domain", "join", provision.DOMAIN, "DC", CREDENTIALS,
              f"--targetdir={self._folder / 'dc2'}", "--dns-backend=SAMBA_INTERNAL",
              "--option=netbios name=DC2", "--option=interfaces=lo eth0",
              "--option=bind interfaces only=yes"])  # fmt: skip
        return self._controller(2)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-2000:]}")
