"""A certificate authority for tests: real TLS, with names that prove nothing outside this machine.

Everything is written as PEM files, since that is what servers and clients take.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


class CertificateAuthority:
    """A fresh authority: its certificate is `ca_file`, leaves are written beside it."""

    __test__ = False  # or pytest collects it for its name

    def __init__(self, folder: Path) -> None:
        """Make the authority and write its certificate; `folder` is created if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self._issued = 0
        self.ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def issue(self, *hostnames: str) -> tuple[Path, Path]:
        """Issue a valid leaf for DNS names or IP addresses; return (certificate chain, key)."""
        return self._write(self._authority.issue_cert(*hostnames, common_name=hostnames[0]))

    def issue_expired(self, *hostnames: str) -> tuple[Path, Path]:
        """Issue a leaf for `hostnames` that ran out yesterday; return (certificate chain, key)."""
        return self.issue_until(datetime.now(UTC) - timedelta(days=1), *hostnames)

    def issue_until(self, end: datetime, *hostnames: str) -> tuple[Path, Path]:
        """Issue a leaf for `hostnames` that runs out then; return (certificate chain, key)."""
        begin = end - timedelta(days=30)
        names = hostnames[0]
        return self._write(
            self._authority.issue_cert(
                *hostnames, common_name=names, not_before=begin, not_after=end
            )
        )

    def _write(self, leaf: trustme.LeafCert) -> tuple[Path, Path]:
        self._issued += 1
        certificate = self._folder / f"leaf-{self._issued}.pem"
        key = self._folder / f"leaf-{self._issued}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key.touch(mode=0o600)  # Samba refuses keys that others may read
        key.write_bytes(leaf.private_key_pem.bytes())
        return certificate, key
