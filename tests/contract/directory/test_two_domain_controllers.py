"""Two domain controllers of one domain, with Samba's own DNS, in network namespaces. Needs root."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from profile_image_sync.worker.directory import Directory, Window
from testkit.samba.domain_controller import DomainController
from testkit.samba.joined_domain import JoinedDomain
from testkit.waiting import wait_for
from tests.support.directory import connect_directory

pytestmark = [
    pytest.mark.samba,
    pytest.mark.timeout(600),
]  # seconds; two domain controllers to start

# what a run does, where /etc/resolv.conf names the domain's DNS server
READ = """
import sys
from pathlib import Path
from tests.support.directory import connect_directory
ca_file, user, password = sys.argv[1:]
with connect_directory(None, Path(ca_file), user, password, domain="ad.test") as directory:
    print(directory._session.server, directory.domain.name, sum(1 for _ in directory.people()))
"""
PREFERRED = {"priority": 0, "weight": 100}


@pytest.fixture(scope="module")
def joined_domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JoinedDomain]:
    """Give two domain controllers of one domain, with DNS; starting takes a while."""
    with JoinedDomain(tmp_path_factory.mktemp("joined")) as running:
        yield running


def read(joined_domain: JoinedDomain) -> str:
    """Return the server that a run reads from, with what it reads."""
    first = joined_domain.first
    arguments = [str(first.ca_file), first.bind_user, first.bind_password]
    done = subprocess.run(
        joined_domain.inside(sys.executable, "-c", READ, *arguments),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[0]


def test_domain_controllers_are_found_by_dns(joined_domain: JoinedDomain) -> None:
    """The one of the lowest priority is read from; one that is down, or elsewhere, is passed over."""
    joined_domain.add_srv_record("nowhere.ad.test", priority=0, weight=65535)
    joined_domain.add_srv_record("dc1.elsewhere.test", priority=0, weight=65535)
    joined_domain.add_srv_record("dc2.ad.test", priority=5, weight=0)
    assert read(joined_domain) == "ldaps://dc1.ad.test"
    joined_domain.delete_srv_record("dc1.ad.test", **PREFERRED)
    joined_domain.add_srv_record("dc1.ad.test", priority=9, weight=100)
    assert read(joined_domain) == "ldaps://dc2.ad.test"
    joined_domain.second.stop()
    assert read(joined_domain) == "ldaps://dc1.ad.test"
    joined_domain.second.start()


def connect(controller: DomainController) -> Directory:
    """Connect to one of the two."""
    who = (controller.bind_user, controller.bind_password)
    return connect_directory([controller.url], controller.ca_file, *who)


def test_each_domain_controller_counts_its_own_changes(joined_domain: JoinedDomain) -> None:
    """A cursor of one says nothing on the other; with its own, each shows a change that was replicated."""
    first, second = joined_domain.first, joined_domain.second
    administrator = first.sign_in()
    unit = administrator.add_organizational_unit("Replicated")
    with connect(first) as on_first, connect(second) as on_second:
        before = [on_first.position(), on_second.position()]
        assert len({position.invocation for position in before if position}) == 2
        guid = administrator.add_person("somebody", unit, thumbnailPhoto=b"photo")
        wait_for("replication", lambda: on_second.picture(guid, "thumbnailPhoto")[1], seconds=60)
        for directory, cursor in zip((on_first, on_second), before, strict=True):
            assert cursor
            changed = {p.guid for p in directory.people(Window(cursor.usn)) if p.usn > cursor.usn}
            assert guid in changed
    administrator.close()
