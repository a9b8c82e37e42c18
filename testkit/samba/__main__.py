"""Runs a domain controller in the foreground: `python -m testkit.samba --folder DIR --sample-people`.

Prints how to reach it as one JSON object a line, and stops on SIGTERM or SIGINT. A folder that
already holds the domain is served again as it is.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from testkit.people import sample_people
from testkit.samba.domain_controller import EVERYWHERE, DomainController
from testkit.samba.ldif import people_records, record
from testkit.samba.provision import NAMING_CONTEXT, load, provision

PEOPLE = f"OU=People,{NAMING_CONTEXT}"


def main() -> int:
    """Provision, load, serve."""
    arguments = _arguments()
    folder = arguments.folder.resolve()
    fresh = not folder.exists()
    provision(folder)
    if fresh:
        _load_people(folder, arguments)
    controller = DomainController(folder, arguments.address or [EVERYWHERE], names=arguments.name)
    signal.signal(signal.SIGTERM, _stop)
    with controller:
        print(json.dumps(_facts(controller)), flush=True)  # noqa: T201  # this is what it is for
        try:
            return controller.wait()
        except KeyboardInterrupt:
            return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testkit.samba", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the domain lives")
    parser.add_argument("--sample-people", action="store_true", help="with the forty sample people")
    parser.add_argument("--people", type=Path, help="with the entries of an LDIF file")
    parser.add_argument(
        "--address", action="append", help="serve on this address only (may be repeated)"
    )
    parser.add_argument(
        "--name", action="append", default=[], help="the certificate proves this name, too"
    )
    return parser.parse_args()


def _load_people(folder: Path, arguments: argparse.Namespace) -> None:
    organizational_unit = {"objectClass": ["organizationalUnit"]}
    load(folder, [record(PEOPLE, organizational_unit)])
    if arguments.sample_people:
        load(folder, people_records(sample_people(), PEOPLE))
    if arguments.people:
        load(folder, [arguments.people.read_text()])


def _facts(controller: DomainController) -> dict[str, str]:
    return {
        "url": controller.url,
        "startTlsUrl": controller.start_tls_url,
        "caFile": str(controller.ca_file),
        "username": controller.bind_user,
        "password": controller.bind_password,
        "administrator": controller.administrator,
        "administratorPassword": controller.administrator_password,
        "people": PEOPLE,
    }


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
