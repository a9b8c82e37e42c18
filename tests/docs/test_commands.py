"""The commands in the documentation, executed as they are written, page by page, in a real API server.

A block that is marked `sh` is executed. One that needs pods or people says `no-test` and why.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit.control_plane import ControlPlane
from testkit.waiting import wait_for
from tests.chart.helm import ROOT, Helm
from tests.docs.commands import PREPARED, Block, blocks, run

pytestmark = pytest.mark.apiserver

DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(DOCS) for page in DOCS.rglob("*.md") if blocks(page))
UNDONE = """
kubectl delete namespace tenant-acme argocd --ignore-not-found --wait
helm uninstall profile-image-sync --namespace profile-image-sync --ignore-not-found
kubectl delete validatingadmissionpolicy,validatingadmissionpolicybinding --all
"""


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_commands_of_a_page_work(
    page: Path, clone: Path, control_plane: ControlPlane, helm: Helm
) -> None:
    """In their order, in a namespace that has what the pages before have made."""
    script = "\n".join(block.commands for block in blocks(DOCS / page) if block.executed)
    wait_for("the API server", lambda: bool(control_plane.get("/readyz")))
    try:
        if page.name != "getting-started.md":
            run(PREPARED, clone, control_plane, helm)
        run(script, clone, control_plane, helm)
    finally:
        run(UNDONE, clone, control_plane, helm)


HELPDESK = "--namespace tenant-acme --as=someone --as-group=helpdesk"
MAY = ("get profileimagesyncs", "list profileimagesyncs", "get secret/pisync-acme-people")
MAY_NOT = (
    *(
        "get secrets",
        "list secrets",
        "get secret/highq-oauth",
        "get secret/pisync-token-highq-oauth",
    ),
    *("get configmaps", "list pods", "create pods/exec", "get pods/log"),
    *("patch profileimagesyncs", "create profileimagesyncs", "delete secret/pisync-acme-people"),
)


def test_the_helpdesk_may_read_the_lists_and_nothing_else(
    clone: Path, control_plane: ControlPlane, helm: Helm
) -> None:
    """With the roles of docs/security.md, and no other."""
    commands = "".join(block.commands for block in blocks(DOCS / "security.md"))
    roles = "\n".join(each for each in commands.splitlines() if "helpdesk" in each)
    wait_for("the API server", lambda: bool(control_plane.get("/readyz")))
    try:
        run(PREPARED + roles, clone, control_plane, helm)
        for asked in MAY + MAY_NOT:
            script = f"kubectl auth can-i {asked} {HELPDESK} || true"
            answer = run(script, clone, control_plane, helm).strip()
            assert answer == ("yes" if asked in MAY else "no"), asked
    finally:
        run(UNDONE, clone, control_plane, helm)


def test_every_block_of_commands_is_executed_or_says_why_not() -> None:
    """Other fences show output or files."""
    found: list[Block] = [block for page in DOCS.rglob("*.md") for block in blocks(page)]
    assert len(found) >= 20
    assert [block for block in found if not (block.executed or block.reason)] == []
