"""Manifests outside a cluster: what is read, what is refused, and that no message shows a secret."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profile_image_sync.api.object_references import ReferenceKind
from profile_image_sync.errors import InvalidSpec, MissingReference, SyncError
from profile_image_sync.local.manifest import Manifest, load
from tests.support.bad_manifests import BAD, BadManifest, tenant

HIDDEN = "hunter2"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "ad-bind", "labels": {"a": "b"}},
    "type": "kubernetes.io/basic-auth",
    "stringData": {"username": "reader@corp.example", "password": HIDDEN},
}
BUNDLE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "corp-ca"},
    "data": {"ca.crt": "PEM\n"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the manifest goes."""
    return tmp_path / "tenant.yaml"


def written(file: Path, *documents: Any) -> Path:
    """Write the documents, and return the file."""
    file.write_text(yaml.safe_dump_all(documents))
    return file


def refusal(file: Path, text: str, name: str | None = None) -> str:
    """Return the message with which a file of this text is refused."""
    file.write_text(text)
    with pytest.raises(InvalidSpec) as refused:
        load(file, name)
    return str(refused.value)


def test_one_file_holds_a_resource_and_what_it_names(file: Path) -> None:
    """The manifest that `kubectl apply` takes, with its Secrets and ConfigMaps."""
    manifest = load(written(file, SECRET, None, tenant(), BUNDLE))
    references = manifest.references({})
    assert manifest.resource.metadata.name == "acme"
    assert references.read("Secret", "ad-bind", "password") == HIDDEN
    assert references.read("ConfigMap", "corp-ca", "ca.crt") == "PEM"


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"stringData": {"k": "v"}}, "v"),
        ({"stringData": {"k": "v\n"}}, "v"),
        ({"stringData": {"k": "v\r\n"}}, "v"),
        ({"stringData": {"k": "v\n\n"}}, "v\n"),
        ({"stringData": {"k": " v "}}, " v "),
        ({"data": {"k": base64.b64encode(b"v\n").decode()}}, "v"),
        ({"data": {"k": "aHVu\n  dGVy\n"}}, "hunter"),
        ({"data": {"k": "b2xk"}, "stringData": {"k": "new"}}, "new"),
    ],
)
def test_a_value_is_what_a_pod_would_see_without_one_line_end(
    file: Path, fields: dict[str, Any], value: str
) -> None:
    """base64 or text, stringData first; editors end files with a line end that no password has."""
    manifest = load(written(file, tenant(namespace="a"), secret("s", **fields)))
    assert manifest.references({}).read("Secret", "s", "k") == value


def test_a_folder_goes_before_the_file_and_is_read_anew(file: Path, tmp_path: Path) -> None:
    """--secret NAME=FOLDER replaces the document; a value that is rotated is seen."""
    references = load(written(file, tenant(), SECRET)).references({"ad-bind": tmp_path})
    password = tmp_path / "password"
    for value in ("first", "second"):
        password.write_text(f"{value}\n")
        assert references.read("Secret", "ad-bind", "password") == value
    password.write_bytes(b"\xef\xbb\xbfwith a byte order mark\r\n")
    assert references.read("Secret", "ad-bind", "password") == "with a byte order mark"


MISSING: list[tuple[ReferenceKind, str, str, str]] = [
    (
        "Secret",
        "other",
        "password",
        "is not there; the file has the Secrets ad-bind, binary, elsewhere, empty",
    ),
    (
        "Secret",
        "ad-bind",
        "passwort",
        "is not there; the Secret has the keys password, username",
    ),
    ("Secret", "empty", "key", "is empty"),
    ("Secret", "binary", "key", "is not text (UTF-8)"),
    ("Secret", "elsewhere", "key", "is in namespace b, but the resource is in a"),
    (
        "Secret",
        "in-a-folder",
        "username",
        "is not there; the folder FOLDER has the keys tenant.yaml",
    ),
    ("Secret", "in-no-folder", "username", "is not there"),
    ("ConfigMap", "ad-bind", "password", "is not there; the file has no ConfigMaps"),
]


def secret(name: str, namespace: str = "a", **fields: Any) -> dict[str, Any]:
    """Make a Secret."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}


@pytest.mark.parametrize("case", MISSING, ids=lambda case: " ".join(case[:3]))
def test_what_is_missing_is_named_with_the_remedies(
    file: Path, tmp_path: Path, case: tuple[ReferenceKind, str, str, str]
) -> None:
    """Object, key, what is wrong, and both ways to mend it."""
    kind, name, key, wrong = case
    wrong = wrong.replace("FOLDER", str(tmp_path))
    empty = secret("empty", stringData={"key": "\n"})
    binary = secret("binary", data={"key": "/w=="})
    elsewhere = secret("elsewhere", "b", stringData={"key": HIDDEN})
    manifest = load(written(file, tenant(namespace="a"), SECRET, empty, binary, elsewhere))
    folders = {"in-a-folder": tmp_path, "in-no-folder": tmp_path / "none"}
    with pytest.raises(MissingReference) as missing:
        manifest.references(folders).read(kind, name, key)
    message = str(missing.value)
    assert message.startswith(f"{kind} {name}, key {key}: {wrong}; give it in a {kind} document in")
    assert str(file) in message
    assert (f"--secret {name}=FOLDER" in message) == (kind == "Secret")
    assert HIDDEN not in message


@pytest.mark.parametrize("bad", BAD[::9], ids=lambda bad: bad.name)
def test_a_bad_field_is_refused_in_the_words_of_the_models(file: Path, bad: BadManifest) -> None:
    """`tests/unit/api/test_spec.py` has them all."""
    message = refusal(file, yaml.safe_dump(tenant(bad.patch)))
    assert any(line.startswith(bad.field) and bad.says in line for line in message.splitlines())


def test_of_several_resources_one_must_be_named(file: Path) -> None:
    """A run is for one tenant; the others in the file do not matter."""
    beta = tenant({"mode": "no such mode"})
    beta["metadata"]["name"] = "beta"
    text = yaml.safe_dump_all([tenant(), beta])
    assert "which ProfileImageSync? it holds acme, beta; choose one by --name" in refusal(
        file, text
    )
    assert load(file, "acme").resource.metadata.name == "acme"
    message = refusal(file, text, "gamma")
    assert "exactly one ProfileImageSync named gamma is needed; it holds acme, beta" in message
    twice = yaml.safe_dump_all([tenant(), tenant()])
    assert "it holds acme, acme" in refusal(file, twice, "acme")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty: it must hold a ProfileImageSync"),
        ("---\n---\n# nothing\n", "is empty"),
        ("just words", "document 1 is not an object"),
        ("- a\n- b\n", "document 1 is not an object"),
        (yaml.safe_dump(BUNDLE), "exactly one ProfileImageSync is needed; it holds none"),
        ("kind: Namespace\n", "document 1 is of kind 'Namespace': only ProfileImageSync, Secret"),
        ("kind: List\nitems: []\n", "write the items of a List as documents of their own"),
        ("metadata: {}\n", "document 1 is of kind 'None'"),
        ("kind: Secret\n", "document 1 (Secret): apiVersion: is required"),
        ("a: {b: 1, b: 2}\n", "line 1, column 11: the field 'b' is given twice"),
        ("a: 1\n'a': 2\n", "line 2, column 1: the field 'a' is given twice"),
        ("1: 2\n", "line 1, column 1: a field's name must be text"),
        ("a: !python/object:os.system x\n", "line 1, column 4: a value with a tag (!)"),
        ("a: !!int twelve\n", "line 1, column 4: a value with a tag (!)"),
        ("a: &a [*a]\n", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("a: \x07\n", "is not YAML"),
        ("a: [1\nb: 2\n", "line 2, column 2: not YAML"),
        ("a: b: c\n", "line 1, column 5: not YAML: mapping values are not allowed here"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(file: Path, text: str, says: str) -> None:
    """A file, a line and a column, or a document; never a traceback."""
    message = refusal(file, text)
    assert str(file) in message
    assert says in message


def test_a_secret_in_the_wrong_form_is_refused_without_its_value(file: Path) -> None:
    """An unquoted number, bad base64, a misspelt field: named, not shown."""
    numbers = SECRET | {"stringData": {"password": 4711}}
    assert refusal(file, yaml.safe_dump(numbers)) == (
        f"{file}, document 1 (Secret): stringData.password: must be text; put it in quotes if it"
        " looks like a number, yes or no"
    )
    for fields in ({"data": {"password": HIDDEN + "!"}}, {"stringdata": {"password": HIDDEN}}):
        message = refusal(file, yaml.safe_dump({**SECRET, **fields}))
        assert HIDDEN not in message
        assert "data.password: must be base64" in message or "did you mean stringData?" in message


@pytest.mark.parametrize(
    "line",
    [
        f"password: *{HIDDEN}",
        f"password: !{HIDDEN} x",
        f"password: !a'{HIDDEN} x",
        f"password: &{HIDDEN} &{HIDDEN} x",
        f'password: "{HIDDEN}',
        f"password: {HIDDEN}: x",
        f"password: %{HIDDEN}\n%{HIDDEN}",
        f"password: @{HIDDEN}",
        f"password: '{HIDDEN}' {HIDDEN}",
        f"password: [{HIDDEN}",
        f"  password: {HIDDEN}\n username: x",
    ],
)
def test_broken_yaml_is_not_quoted(file: Path, line: str) -> None:
    """PyYAML repeats the line, the alias or the tag at which it stops: here that may be a password."""
    assert HIDDEN not in refusal(file, f"kind: Secret\nstringData:\n  {line}\n")


def test_a_date_and_a_time_are_text_as_in_kubectl(file: Path) -> None:
    """`runRequest: 2026-05-04` needs no quotes, and 12:30 is not 750."""
    for text in ("2026-05-04", "12:30", "0123"):
        document = yaml.safe_dump(tenant()) + f"  runRequest: {text}\n"
        file.write_text(document)
        assert load(file).resource.spec.run_request == text


def test_yes_is_true_as_in_kubectl(file: Path) -> None:
    """YAML 1.1 has more than one word for true."""
    file.write_text(yaml.safe_dump(tenant()) + "  suspend: yes\n  dryRun: Off\n")
    spec = load(file).resource.spec
    assert (spec.suspend, spec.dry_run) == (True, False)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Absent, a folder, or no text."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, says in (
        (tmp_path / "absent", "No such file"),
        (tmp_path, "Is a directory"),
        (binary, "is not text"),
    ):
        with pytest.raises(InvalidSpec, match=f"{path.name}.*{says}"):
            load(path)


def test_a_manifest_that_is_printed_shows_no_secret(file: Path) -> None:
    """A log line or an assertion may print it."""
    assert HIDDEN not in repr(load(written(file, tenant(), SECRET)))
    assert HIDDEN not in repr(load(file).references({}))


WHOLE = yaml.safe_dump_all([tenant(), SECRET, BUNDLE])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, len(WHOLE)), length=st.integers(0, 12), text=st.text(max_size=6))
def test_a_damaged_file_is_read_or_refused_but_never_shown(
    file: Path, place: int, length: int, text: str
) -> None:
    """Whatever a typing error does, the answer is a manifest or a sentence without the password."""
    file.write_text(WHOLE[:place] + text + WHOLE[place + length :], encoding="utf-8")
    try:
        outcome: Manifest | SyncError = load(file)
    except SyncError as refused:
        outcome = refused
    assert isinstance(outcome, Manifest | InvalidSpec)
    assert HIDDEN not in str(outcome)


def test_the_example_is_one_manifest_with_all_that_it_names(file: Path) -> None:
    """`cat tenant.yaml secrets.yaml` of examples/01-one-tenant, as its README has it."""
    example = Path(__file__).parents[3] / "examples/01-one-tenant"
    parts = ("tenant.yaml", "secrets.example.yaml")
    file.write_text("".join((example / part).read_text() for part in parts))
    manifest = load(file)
    references = manifest.references({})
    spec = manifest.resource.spec
    bundle = spec.active_directory.ca_bundle_ref
    assert bundle is not None
    assert references.read(bundle.kind, bundle.name, bundle.key)
    for key in ("username", "password"):
        assert references.read("Secret", spec.active_directory.credentials_secret_ref.name, key)
    for key in ("clientId", "clientSecret", "refreshToken"):
        assert references.read("Secret", spec.highq.credentials_secret_ref.name, key)
