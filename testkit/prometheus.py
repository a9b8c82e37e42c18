"""Debian's Prometheus on loopback: scrapes an exporter of a test and evaluates rules.

Real queries and real rules: a typing error in an alert or a dashboard is an empty answer elsewhere.
"""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testkit.control_plane import LOOPBACK, free_ports
from testkit.waiting import wait_for

STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now. Raises OSError for one that is wrong."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def firing(self) -> dict[str, dict[str, str]]:
        """Return the labels of each alert that fires, by its name."""
        alerts = self._get("alerts")["alerts"]
        return {
            each["labels"]["alertname"]: each["labels"]
            for each in alerts
            if each["state"] == "firing"
        }

    def is_ready(self) -> bool:
        """Tell whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    def _get(self, path: str, **query: str) -> Any:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  # on loopback
            return json.load(answer)["data"]


@contextmanager
def run_prometheus(folder: Path, *, exporter_port: int, rules: Path) -> Iterator[Prometheus]:
    """Scrape an exporter and evaluate rules each second, with data in the existing `folder`."""
    (port,) = free_ports(1)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "profile-image-sync",
                "honor_labels": True,
                "static_configs": [{"targets": [f"{LOOPBACK}:{exporter_port}"]}],
            }
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(config))  # JSON is YAML
    options = [
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)
        try:
            running = Prometheus(f"http://{LOOPBACK}:{port}")
            wait_for("Prometheus", running.is_ready)
            yield running
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
