"""A live state of the first delivery, in an installation that was upgraded from its chart (conftest.py)."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from testkit import file_directory
from testkit.certificates import CertificateAuthority
from testkit.cluster_tenant import ClusterTenant
from testkit.environment import HIGHQ_HOST, OPERATOR
from testkit.kind_cluster import Document, KindCluster
from testkit.trial import highq_user
from tests.support import first_delivery


def own_address(cluster: KindCluster) -> str:
    """Return where pods reach this machine: its address in the node's network."""
    (node,) = cluster.select("nodes")
    found = node["status"]["addresses"]
    (inside,) = [each["address"] for each in found if each["type"] == "InternalIP"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((inside, 9))
        address: str = probe.getsockname()[0]
    return address


def test_its_state_goes_on_in_pods_of_now_and_nothing_is_uploaded(
    tenant: ClusterTenant, tmp_path: Path
) -> None:
    """Schema 1 is read and carried over; its CronJob, rights and report are brought into line."""
    cluster, where = tenant.environment.cluster, f"--namespace={tenant.namespace}"
    history = json.loads(cluster.helm("history", OPERATOR, f"--namespace={OPERATOR}", "-o", "json"))
    assert len(history) >= 2, "the installation was upgraded"
    people = first_delivery.people()
    tenant.highq.add_users([highq_user(person, n) for n, person in enumerate(people, 1)])
    folder = tmp_path / "people.json"
    shown = [file_directory.to_attributes(person, n) for n, person in enumerate(people, 1)]
    file_directory.write_people(folder, shown)
    address, authority = own_address(cluster), CertificateAuthority(tmp_path)
    ca = f"--from-file=ca.crt={authority.ca_file}"
    cluster.kubectl("create", "configmap", "directory-ca", ca, where)

    with file_directory.serve(folder, *authority.issue(address), address=address) as directory:
        place = {"acme": tenant.name, "NAMESPACE": tenant.namespace, "HIGHQ": HIGHQ_HOST}
        place["DIRECTORY"] = directory.url.removeprefix("ldaps://")
        _apply(
            cluster, first_delivery.retained(place)
        )  # first: the operator makes a state where none is
        resource = first_delivery.resource(place)
        _apply(cluster, resource)
        status = json.dumps({"status": resource["status"]})
        patch = ("--subresource=status", "--type=merge", f"--patch={status}")
        cluster.kubectl("patch", "profileimagesync", tenant.name, where, *patch)
        made = cluster.get("profileimagesync", tenant.name, tenant.namespace) or {}
        _apply(cluster, first_delivery.children(place, made["metadata"]["uid"]))

        run = tenant.run_now()

    assert (run["outcome"], run["uploaded"], run["unchanged"]) == ("Succeeded", 0, 5)
    assert tenant.status()["state"]["id"] == first_delivery.STATE
    header = cluster.get("configmap", f"pisync-{tenant.name}-state", tenant.namespace) or {}
    assert json.loads(header["data"]["header"])["schemaVersion"] == 2
    assert tenant.avatar_calls() == []
    schedule = cluster.get("cronjob", f"pisync-{tenant.name}", tenant.namespace) or {}
    operator = cluster.get("deployment", OPERATOR, OPERATOR) or {}
    job = schedule["spec"]["jobTemplate"]["spec"]
    assert _image(job["template"]) == _image(operator["spec"]["template"])


def _image(template: Document) -> str:
    (container,) = template["spec"]["containers"]
    image: str = container["image"]
    return image


def _apply(cluster: KindCluster, document: Document) -> None:
    options = ("--server-side", "--force-conflicts", "--filename=-")
    cluster.kubectl("apply", *options, text=json.dumps(document))
