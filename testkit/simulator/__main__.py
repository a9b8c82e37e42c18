"""The command line: `python -m testkit.simulator`."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path

from .instances import Instances
from .schema import Seed
from .server import build, serve
from .store import NullStore, SqliteStore, Store


def main() -> None:
    """Read the command line, fill the instances, serve."""
    parser = argparse.ArgumentParser(
        prog="python -m testkit.simulator", description="A simulator of HighQ."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0, the default: a free one")
    parser.add_argument("--tls-cert", type=Path, help="PEM file; without it plain HTTP")
    parser.add_argument("--tls-key", type=Path, help="PEM file")
    parser.add_argument("--data", type=Path, help="folder that keeps the state; else memory")
    parser.add_argument("--seed", type=Path, help="JSON file of instances to make if missing")
    options = parser.parse_args()
    store: Store = SqliteStore(options.data) if options.data else NullStore()
    with closing(store):
        instances = Instances(time.time, store)
        if options.seed:
            _create_missing(instances, options.seed)
        serve(build(instances), options.host, options.port, options.tls_cert, options.tls_key)


def _create_missing(instances: Instances, file: Path) -> None:
    for settings in Seed.model_validate_json(file.read_bytes()).instances:
        if instances.get(settings.name) is None:
            instances.create(settings)


if __name__ == "__main__":
    main()
