"""Addresses of servers, and whom to trust."""

from __future__ import annotations

import hashlib
import inspect
import ssl
from importlib.metadata import version
from pathlib import Path

import pytest
from ldap3.core.exceptions import LDAPNoSuchObjectResult
from ldap3.strategy.base import BaseStrategy
from ldap3.strategy.sync import SyncStrategy

from profile_image_sync.errors import InvalidSpec
from profile_image_sync.worker.directory.connection import (
    ServerAddress,
    describe_error,
    tls_context,
)
from testkit.certificates import CertificateAuthority


@pytest.mark.parametrize(
    ("url", "host", "port", "start_tls"),
    [
        ("ldaps://dc1.corp.example", "dc1.corp.example", 636, False),
        ("ldap://dc1.corp.example", "dc1.corp.example", 389, True),
        ("ldaps://dc1:1636", "dc1", 1636, False),
        ("ldap://10.0.0.7:10389", "10.0.0.7", 10389, True),
    ],
)
def test_an_address_is_read_from_its_url(url: str, host: str, port: int, start_tls: bool) -> None:
    """ldap:// means StartTLS; ports are the usual ones unless given."""
    assert ServerAddress.parse(url, 0) == ServerAddress(url, host, port, start_tls)


@pytest.mark.parametrize("url", ["ldaps://dc1:3269", "ldap://dc1:3268"])
def test_the_global_catalog_is_refused(url: str) -> None:
    """It does not hold pictures: everyone would look as if they had none."""
    with pytest.raises(InvalidSpec, match=r"spec\.activeDirectory\.servers\[2\]: port 326"):
        ServerAddress.parse(url, 2)


def test_a_bundle_replaces_the_systems_store(tmp_path: Path) -> None:
    """Only its authorities are trusted; comments in any language are no harm."""
    first, second = CertificateAuthority(tmp_path / "1"), CertificateAuthority(tmp_path / "2")
    bundle = f"# Zertifikate für Köln\n{first.ca_file.read_text()}\n{second.ca_file.read_text()}"
    assert tls_context(bundle).cert_store_stats() == {"x509": 2, "x509_ca": 2, "crl": 0}


@pytest.mark.parametrize("bundle", ["", "\n", "ä", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_bundle_that_cannot_be_read_is_refused(bundle: str) -> None:
    """It must not fall back to the system's store."""
    with pytest.raises(InvalidSpec, match="caBundleRef"):
        tls_context(bundle)


def test_messages_do_not_quote_the_server() -> None:
    """What a server writes may name people and places."""
    error = LDAPNoSuchObjectResult(32, "noSuchObject", message="best match of: OU=Secret,DC=corp")
    assert describe_error(error) == "noSuchObject (32)"


def test_every_server_is_verified_over_tls_1_2_or_newer(tmp_path: Path) -> None:
    """Chain, validity and host name, by names of the SAN; with or without a bundle."""
    for context in (
        tls_context(None),
        tls_context(CertificateAuthority(tmp_path).ca_file.read_text()),
    ):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert not context.hostname_checks_common_name
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_internals_of_ldap3_that_we_lean_on_are_those_we_know() -> None:
    """Our socket under ldap3, its values kept raw: look at both before a new version is taken."""
    assert version("ldap3") == "2.9.1"
    sources = [
        inspect.getsource(part) for part in (SyncStrategy, BaseStrategy.decode_response_fast)
    ]
    known = hashlib.sha256("".join(sources).encode()).hexdigest()
    assert known.startswith("388f378e6cb48b0f"), "RawValueStrategy builds on this code: compare"
