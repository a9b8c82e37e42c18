"""What the operator exports to Prometheus, and the server that is scraped.

The only module with a registry. The operator's threads report here; they know nothing of metrics' names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

import profile_image_sync
from profile_image_sync.controller.resource_metrics import PREFIX, ResourceView, families

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(Collector):
    """Metrics of one operator. Used by many threads."""

    def __init__(
        self,
        views: Callable[[], Iterable[ResourceView]],
        *,
        leads: Callable[[], bool],
        queue_depth: Callable[[], int],
        now: Callable[[], datetime],
    ) -> None:
        """Take what is asked at each scrape, and a clock (UTC, aware)."""
        self._views = views
        self._leads = leads
        self._now = now
        self.registry = CollectorRegistry()
        self.registry.register(self)
        build = Gauge(f"{PREFIX}_build_info", "1.", ["version"], registry=self.registry)
        build.labels(profile_image_sync.__version__).set(1)
        leader = Gauge(
            f"{PREFIX}_leader", "1 while this replica does the work.", registry=self.registry
        )
        leader.set_function(leads)
        queue = Gauge(f"{PREFIX}_queue_depth", "Resources that are due.", registry=self.registry)
        queue.set_function(queue_depth)
        self._reconciles = Histogram(
            f"{PREFIX}_reconcile_duration_seconds",
            "Duration of reconciles by result: success or error.",
            ["result"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._requests = Counter(
            f"{PREFIX}_api_requests_total",
            "Requests to the API server by verb and status code; 0: no answer.",
            ["verb", "code"],
            registry=self.registry,
        )

    def serve(self, port: int) -> WSGIServer:
        """Answer /metrics on all addresses, in a thread that ends with the process."""
        server, _ = start_http_server(port, registry=self.registry)
        return server

    def count_request(self, verb: str, code: int) -> None:
        """Count one request to the API server."""
        self._requests.labels(verb, str(code)).inc()

    @contextmanager
    def timed_reconcile(self) -> Iterator[None]:
        """Measure one reconcile; it failed if an exception leaves the block."""
        started, result = time.perf_counter(), "error"
        try:
            yield
            result = "success"
        finally:
            self._reconciles.labels(result).observe(time.perf_counter() - started)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of all resources, for the registry; only the leader shows any."""
        return families(self._views() if self._leads() else (), self._now())
