"""Where `check` finds what a run in this pod would: the run spec, mounts, and objects of the cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from profile_image_sync import names
from profile_image_sync.api.run_spec import MOUNTS
from profile_image_sync.api.spec import ProfileImageSyncSpec
from profile_image_sync.kube.client import PATIENT, ApiClient
from profile_image_sync.kube.lease import Lease, LeaseConfig
from profile_image_sync.local.check import Surroundings
from profile_image_sync.pod.configmap_store import ConfigMapStore
from profile_image_sync.pod.environment import PodEnvironment
from profile_image_sync.pod.mounted_references import MountedReferences
from profile_image_sync.pod.secret_token_store import SecretTokenStore


@contextmanager
def in_this_pod(
    environment: Mapping[str, str], mounts: Path | None
) -> Iterator[tuple[ProfileImageSyncSpec, Surroundings]]:
    """Give the spec and the surroundings of a run in this pod. Raises InvalidSpec, ApiUnavailable."""
    pod = PodEnvironment.read(environment)
    run_spec = pod.run_spec
    config = LeaseConfig(now=lambda: datetime.now(UTC), clock=time.monotonic)
    with ApiClient.connect(
        environment, field_manager=f"{names.PRODUCT}-check", retry=PATIENT
    ) as client:

        def lease(name: str) -> Lease:
            return Lease(
                client,
                namespace=run_spec.namespace,
                name=name,
                holder=pod.job_uid,
                config=config,
            )

        @contextmanager
        def state() -> Iterator[ConfigMapStore | None]:
            store = ConfigMapStore(  # only read: the Lease is not held
                client,
                namespace=run_spec.namespace,
                resource=run_spec.name,
                state_id=run_spec.state_id,
                lease=lease(names.child(run_spec.name)),
            )
            yield store if store.read_header() is not None else None

        seed = run_spec.spec.highq.credentials_secret_ref.name
        yield (
            run_spec.spec,
            Surroundings(
                references=MountedReferences(mounts or Path(MOUNTS)),
                tokens=SecretTokenStore(
                    client,
                    namespace=run_spec.namespace,
                    seed=seed,
                    lease=lease(names.token(seed)),
                    stop=threading.Event(),
                ),
                state=state,
                using_token=nullcontext,
                state_id=run_spec.state_id,
                allow=run_spec.allow,
            ),
        )
