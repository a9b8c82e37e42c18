"""The resource's model: what it takes, what it refuses, and in which words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profile_image_sync.api.highq import Endpoint, MatchKey
from profile_image_sync.api.image_settings import ImageSettings
from profile_image_sync.api.model import shown
from profile_image_sync.api.spec import (
    FirstSync,
    Mode,
    ProfileImageSync,
    ProfileImageSyncSpec,
)
from profile_image_sync.api.validation import validated
from profile_image_sync.errors import InvalidSpec
from tests.support.bad_manifests import BAD, GOOD, BadManifest, tenant


def refusals(document: object) -> list[str]:
    """Return the lines with which a document is refused."""
    with pytest.raises(InvalidSpec) as refused:
        validated(ProfileImageSync, document)
    return str(refused.value).splitlines()


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_mistake_is_refused_with_the_name_of_its_field(bad: BadManifest) -> None:
    """One line names the field in the user's spelling and says what it must be."""
    lines = refusals(tenant(bad.patch))
    assert any(line.startswith(bad.field) and bad.says in line for line in lines), lines


@pytest.mark.parametrize("patch", GOOD.values(), ids=GOOD)
def test_what_is_right_passes_and_survives_the_wire(patch: dict[str, object]) -> None:
    """A spec that is written as JSON and read again, as the worker does, is the same spec."""
    spec = validated(ProfileImageSync, tenant(patch)).spec
    assert ProfileImageSyncSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec


def test_what_is_left_out_has_the_documented_default() -> None:
    """The defaults of the design."""
    spec = validated(ProfileImageSync, tenant()).spec
    assert (spec.mode, spec.first_sync) == (Mode.CONTINUOUS, FirstSync.OVERRIDE)
    assert (spec.time_zone, spec.run_on_create) == ("Etc/UTC", True)
    assert (spec.suspend, spec.dry_run, spec.run_request) == (False, False, "")
    assert spec.active_directory.image_attributes == ("thumbnailPhoto",)
    assert spec.active_directory.full_sweep_interval == timedelta(hours=168)
    assert spec.highq.endpoint is Endpoint.AVATAR
    assert [(rule.active_directory, rule.highq) for rule in spec.highq.match] == [
        ("mail", MatchKey.EMAIL),
        ("userPrincipalName", MatchKey.EMAIL),
    ]
    assert (spec.image.max_size, spec.image.min_source_size) == (512, 48)
    assert (spec.safety.max_changed_percent, spec.safety.min_people_percent) == (50, 50)
    assert (spec.safety.failure_threshold_percent, spec.safety.max_first_uploads) == (10, None)
    assert (spec.job.active_deadline_seconds, spec.job.backoff_limit) == (14400, 2)


def test_every_mistake_has_its_line() -> None:
    """A user mends a manifest in one go, not one field at a time."""
    lines = refusals(
        tenant({"mode": "Once", "image": {"maxSize": 1}, "highq": {"match": [{"highq": "email"}]}})
    )
    assert [line.partition(":")[0] for line in lines] == [
        "spec.mode",
        "spec.highq.match[0].activeDirectory",
        "spec.image.maxSize",
    ]


@pytest.mark.parametrize(
    ("server", "hidden"),
    [
        ("ldaps://user:hunter2@dc1", "hunter2"),
        ("ldaps://user:hun@ter2/@dc1", "ter2"),
        ("https://acme.highq.com/acme?token=hunter2", "hunter2"),
        ("https://acme.highq.com/acme#hunter2", "hunter2"),
    ],
)
def test_a_password_in_an_address_is_not_repeated(server: str, hidden: str) -> None:
    """Messages end up in status and logs."""
    for patch in ({"activeDirectory": {"servers": [server]}}, {"highq": {"url": server}}):
        assert hidden not in "\n".join(refusals(tenant(patch)))


@pytest.mark.parametrize(
    "patch",
    [
        {"activeDirectory": {"credentialsSecretRef": {"name": "Hunter2 is my password"}}},
        {"activeDirectory": {"credentialsSecretRef": "Hunter2"}},
        {"highq": {"credentialsSecretRef": {"name": "highq", "clientSecret": "Hunter2"}}},
        {"runRequest": ["Hunter2"]},
        {"mode": "Hunter2"},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(patch: dict[str, object]) -> None:
    """Someone will put the password where the name of the Secret belongs."""
    assert "Hunter2" not in "\n".join(refusals(tenant(patch)))


@given(st.text(max_size=300))
def test_what_is_quoted_is_short_and_on_one_line(text: str) -> None:
    """A message stays one line whatever the value was."""
    assert len(shown(text)) < 400
    assert len(shown(text).splitlines()) == 1


def test_a_field_without_a_value_is_absent() -> None:
    """`caBundleRef:` with nothing behind it is what the API server takes it for: not given."""
    document = tenant()
    document["spec"] |= {"timeZone": None, "image": {"maxSize": None}}
    spec = validated(ProfileImageSync, document).spec
    assert (spec.time_zone, spec.image) == ("Etc/UTC", ImageSettings())


def test_only_what_the_sync_needs_of_the_metadata_is_read() -> None:
    """Labels, annotations and a status are no business of a spec."""
    document = tenant(labels={"a": "b"}, namespace="tenant-acme", generation=3)
    resource = validated(ProfileImageSync, document | {"status": {"anything": 1}})
    assert resource.identity == "tenant-acme/acme"
    assert resource.metadata.generation == 3


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"apiVersion": "profileimagesync.io/v1"}, "apiVersion: 'profileimagesync.io/v1' must be"),
        ({"kind": "ProfileSync"}, "kind: 'ProfileSync' must be ProfileImageSync"),
        ({"metadata": {"name": "a" * 41}}, "metadata.name: must have at most 40 characters"),
        ({"metadata": {}}, "metadata.name: is required"),
        ({"specs": {}}, "specs: is no known field; did you mean spec?"),
    ],
)
def test_the_frame_is_checked_too(change: dict[str, object], line: str) -> None:
    """apiVersion, kind and name."""
    assert any(found.startswith(line) for found in refusals(tenant() | change))


@pytest.mark.parametrize("document", [None, "text", [], 3, {}])
def test_what_is_no_object_is_refused_in_a_sentence(document: object) -> None:
    """Never by a traceback."""
    assert refusals(document)


def test_models_are_frozen() -> None:
    """No room can change the order under another's hands."""
    with pytest.raises(ValidationError):
        ImageSettings().max_size = 300  # type: ignore[misc]


def test_a_url_is_kept_without_its_last_slash() -> None:
    """So that one instance has one name in the state."""
    spec = validated(ProfileImageSync, tenant({"highq": {"url": "https://a.highq.com/a/"}})).spec
    assert spec.highq.url == "https://a.highq.com/a"
