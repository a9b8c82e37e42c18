"""Which of the operator's replicas works: the one that holds a Lease in the operator's own namespace.

The others follow all changes, so that they can go on at once. Two that both think they lead do no harm: Jobs
have the same names (decide), and the rest is brought into line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from profile_image_sync.errors import Busy, Interrupted, StateUnavailable
from profile_image_sync.kube.client import ApiClient
from profile_image_sync.kube.errors import ApiConflict, ApiError
from profile_image_sync.kube.lease import Lease, LeaseConfig

WAIT_SECONDS = 60.0  # for the Lease, before the wait is begun anew
RETRY_SECONDS = 5.0  # after the API server failed
# A leader that dies without a word is followed after 10 to 17 s: the others wait until its last renewal is
# DURATION_SECONDS old, and look every two seconds. One that cannot renew stops by itself before that.
DURATION_SECONDS = 15
TRUSTED_SECONDS = 12.0
RENEW_SECONDS = 5.0

log = structlog.get_logger()


class Leader:
    """Seeks the Lease for as long as the process runs."""

    def __init__(
        self,
        client: ApiClient,
        *,
        namespace: str,
        name: str,
        holder: str,
        now: Callable[[], datetime],
        on_elected: Callable[[], None],
    ) -> None:
        """Name the Lease and this replica; `on_elected` is called each time that it begins to lead."""
        config = LeaseConfig(now, time.monotonic, DURATION_SECONDS, TRUSTED_SECONDS, RENEW_SECONDS)
        self._client = client
        self._ref = (namespace, name)
        self._lease = Lease(client, namespace=namespace, name=name, holder=holder, config=config)
        self._on_elected = on_elected
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._elected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)

    def start(self) -> None:
        """Begin to seek the Lease."""
        self._thread.start()

    def stop(self) -> None:
        """Give the Lease back, so that another replica goes on at once."""
        self._stop.set()
        self._lost.set()
        self._thread.join(RETRY_SECONDS)

    def leads(self) -> bool:
        """Tell whether this replica works."""
        return self._elected.is_set() and self._lease.ours

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._make()
                with self._lease.held(
                    self._stop, wait_seconds=WAIT_SECONDS, on_lost=self._lost.set
                ):
                    self._lead()
            except (Busy, Interrupted):
                continue
            except StateUnavailable as error:
                log.warning("no leader's Lease", problem=str(error))
                self._stop.wait(RETRY_SECONDS)

    def _lead(self) -> None:
        log.info("leading", lease="/".join(self._ref))
        self._elected.set()
        self._on_elected()
        self._lost.wait()
        self._elected.clear()
        self._lost.clear()
        log.info("not leading any more", lease="/".join(self._ref))

    def _make(self) -> None:
        """Make the Lease if it is not there."""
        namespace, name = self._ref
        metadata = {"name": name, "namespace": namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        try:
            self._client.create(body | {"spec": {}})
        except ApiConflict:
            return
        except ApiError as error:
            log.warning("the leader's Lease could not be made", problem=str(error))
