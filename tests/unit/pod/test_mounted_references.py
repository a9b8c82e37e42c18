"""References in a worker's pod: what the kubelet mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from profile_image_sync.errors import MissingReference
from profile_image_sync.pod.mounted_references import MountedReferences


def test_a_mounted_value_is_read_anew_each_time(tmp_path: Path) -> None:
    """The kubelet swaps the files when a Secret is rotated."""
    folder = tmp_path / "secrets/ad-bind"
    folder.mkdir(parents=True)
    references = MountedReferences(tmp_path)
    for value in ("old", "new"):
        (folder / "password").write_text(value + "\n")
        assert references.read("Secret", "ad-bind", "password") == value


def test_a_config_map_has_its_own_folder(tmp_path: Path) -> None:
    """A ConfigMap and a Secret may have the same name."""
    folder = tmp_path / "configmaps/corp-ca"
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_text("PEM")
    references = MountedReferences(tmp_path)
    assert references.read("ConfigMap", "corp-ca", "ca.crt") == "PEM"
    with pytest.raises(MissingReference, match=r"Secret corp-ca, key ca\.crt: is not there; put"):
        references.read("Secret", "corp-ca", "ca.crt")


def test_the_keys_that_are_there_are_told(tmp_path: Path) -> None:
    """A key that is spelled in another way is seen at once; the kubelet's own entries are not told."""
    folder = tmp_path / "secrets/highq-oauth"
    (folder / "..2026_11_24").mkdir(parents=True)
    for key in ("clientId", "clientSecret"):
        (folder / key).write_text("secret value")
    with pytest.raises(MissingReference) as caught:
        MountedReferences(tmp_path).read("Secret", "highq-oauth", "refreshToken")
    assert "key refreshToken: is not there (there: clientId, clientSecret); put" in str(
        caught.value
    )
    assert "secret value" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "wrong"), [(b"", "is empty"), (b"\n", "is empty"), (b"\xff", "is not text")]
)
def test_a_value_that_is_none_is_named(tmp_path: Path, content: bytes, wrong: str) -> None:
    """Object, key and remedy; mounts are optional, so the worker finds what is missing."""
    folder = tmp_path / "secrets/ad-bind"
    folder.mkdir(parents=True)
    (folder / "password").write_bytes(content)
    with pytest.raises(MissingReference, match=f"Secret ad-bind, key password: {wrong}.*namespace"):
        MountedReferences(tmp_path).read("Secret", "ad-bind", "password")


def test_a_folder_where_a_file_should_be_is_named(tmp_path: Path) -> None:
    """Any trouble with the mount is a sentence, not a traceback."""
    (tmp_path / "secrets/ad-bind/password").mkdir(parents=True)
    with pytest.raises(MissingReference, match="cannot be read"):
        MountedReferences(tmp_path).read("Secret", "ad-bind", "password")
