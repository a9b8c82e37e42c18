"""What people write into values: accepted, or refused with the key's name, before anything is installed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import EXAMPLES, Helm, Values

REFUSED: list[tuple[Values, str]] = [
    ({"watchNamespaces": ["a"]}, "watchNamespaces"),
    ({"allow": {"hosts": ["a"]}}, "/allow"),
    ({"allow": {"highqHosts": "*.highq.com"}}, "/allow/highqHosts"),
    ({"allow": {"highqHosts": ["https://acme.highq.com"]}}, "/allow/highqHosts/0"),
    ({"allow": {"proxyHosts": ["proxy.corp.example:http"]}}, "/allow/proxyHosts/0"),
    ({"allow": {"directoryHosts": None}}, "directoryHosts"),
    ({"allow": None}, "allow"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"image": {"digest": "sha256:abc"}}, "/image/digest"),
    ({"image": {"repository": "registry.example/it:1.0"}}, "/image/repository"),
    ({"image": {"tag": 1.1}}, "/image/tag"),
    ({"imagePullSecrets": ["registry"]}, "/imagePullSecrets/0"),
    ({"watch": {"namespaces": "tenant-acme"}}, "/watch/namespaces"),
    ({"watch": {"namespaces": ["tenant-acme", "tenant-acme"]}}, "/watch/namespaces"),
    ({"watch": {"namespaces": ["tenant-*"]}}, "/watch/namespaces/0"),
    ({"resyncSeconds": 1}, "/resyncSeconds"),
    ({"resyncSeconds": "5m"}, "/resyncSeconds"),
    ({"worker": {"resources": {}}}, "/worker"),
    ({"worker": {"env": [{"name": "NO_PROXY", "value": "x"}]}}, "/worker/env"),
    ({"worker": {"env": {"RETRIES": 3}}}, "/worker/env/RETRIES"),
    ({"worker": {"env": {"PROFILE_IMAGE_SYNC_ORDER": "{}"}}}, "PROFILE_IMAGE_SYNC_ORDER"),
    ({"worker": {"podLabels": {"legal": True}}}, "/worker/podLabels/legal"),
    ({"worker": {"env": {"NO-PROXY": "x"}}}, "NO-PROXY"),
    ({"replicas": 0}, "/replicas"),
    ({"crds": {"keep": "yes"}}, "/crds/keep"),
    ({"fullnameOverride": "Pictures"}, "/fullnameOverride"),
]


@pytest.mark.parametrize(("values", "place"), REFUSED, ids=str)
def test_a_wrong_value_is_refused_and_named(helm: Helm, values: Values, place: str) -> None:
    """Helm says where the mistake is; nothing is installed."""
    said = helm.refusal(values)
    assert "values don't meet the specifications of the schema" in said
    assert place in said


def test_every_example_in_the_manual_can_be_used(helm: Helm) -> None:
    """Whoever removes a # from values.yaml gets what the comment says."""
    rendered = helm.render(EXAMPLES)
    worker: dict[str, Any] = EXAMPLES["worker"]
    settings = rendered.settings()
    assert settings.env == worker["env"]
    assert settings.volumes == tuple(worker["volumes"])
    assert settings.volume_mounts == tuple(worker["volumeMounts"])
    assert settings.pod_labels == worker["podLabels"]
    assert settings.pod_annotations == worker["podAnnotations"]
    assert settings.priority_class_name == worker["priorityClassName"]
    assert settings.affinity == worker["affinity"]
    assert settings.image_pull_secrets == ("registry",)
    for key in ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity"):
        assert rendered.pod()["spec"][key] == EXAMPLES[key]


def test_the_chart_may_be_part_of_another(helm: Helm) -> None:
    """Helm hands `global` down to every part, unasked."""
    assert helm.render({"global": {"imageRegistry": "x"}}).one("Deployment")
