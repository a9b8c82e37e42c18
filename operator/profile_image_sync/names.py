"""Words that others rely on: the API's group and kind, and how things are called. Nothing else."""

from __future__ import annotations

from profile_image_sync import __version__

PRODUCT = "profile-image-sync"
GROUP = "profileimagesync.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ProfileImageSync"
PLURAL = "profileimagesyncs"
SINGULAR = "profileimagesync"
SHORT_NAME = "pisync"
CATEGORY = "highq"

MAX_NAME_LENGTH = 40  # of a resource, so that no child's name needs shortening

# no name of a resource begins so: token(seed) would be a child's name too
TOKEN_PREFIX = "token-"  # noqa: S105  # part of a name

RUN_REQUEST_ANNOTATION = f"{GROUP}/run-request"
ACKNOWLEDGE_ANNOTATION = f"{GROUP}/acknowledge"  # the same as spec.safety.acknowledge
SYNC_LABEL = f"{GROUP}/sync"  # on every child: the name of its resource
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"

# the one key of each object that operator and worker share
HEADER_KEY = "header"
SHARD_KEY = "shard"
REPORT_KEY = "report.json"
PEOPLE_KEY = "people.json"
TOKENS_KEY = "tokens"


def child(resource: str, *parts: str) -> str:
    """Return the name of a child of this resource: pisync-NAME or pisync-NAME-PART."""
    return "-".join(["pisync", resource, *parts])


def labels(resource: str, component: str) -> dict[str, str]:
    """Return the labels of every child of this resource; never the resource's own."""
    return {
        "app.kubernetes.io/name": PRODUCT,
        # not the name of an Argo CD Application, which would take the child for its own, and prune it
        "app.kubernetes.io/instance": f"{KIND}.{resource}",
        COMPONENT_LABEL: component,
        MANAGED_BY_LABEL: PRODUCT,
        "app.kubernetes.io/part-of": PRODUCT,
        "app.kubernetes.io/version": __version__,
        SYNC_LABEL: resource,
    }


def owner(resource: str, uid: str) -> dict[str, str | bool]:
    """Return the reference that lets the garbage collector take a child with its resource."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": resource,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def state(resource: str) -> str:
    """Return the name of the ConfigMap with the state's header."""
    return child(resource, "state")


def shard(resource: str, index: int) -> str:
    """Return the name of the ConfigMap with one shard of the state."""
    return child(resource, "state", f"{index:03d}")


def run_id(resource: str, job: str) -> str:
    """Return the id of a Job's run: the suffix of the Job's name, or all of a name that is not ours."""
    return job.removeprefix(f"{child(resource)}-")


def report(resource: str) -> str:
    """Return the name of the ConfigMap with the last run's report."""
    return child(resource, "report")


def people(resource: str) -> str:
    """Return the name of the Secret with the lists of people of the last run."""
    return child(resource, "people")


def token(seed: str) -> str:
    """Return the name of the Secret, and of the Lease, of the tokens that descend from this seed Secret."""
    return f"pisync-{TOKEN_PREFIX}{seed}"
