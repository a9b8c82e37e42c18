"""What a run leaves to be remembered, by the rules: the second half of the reference model."""

from __future__ import annotations

from dataclasses import replace

from tests.model.memory import Done, Row
from tests.model.reference import Run
from tests.model.world import refusal


def remember(run: Run) -> None:
    """Change the memory as a run that goes to its end, or stops before its first upload, does."""
    m, s, found, stop = run.memory, run.settings, run.found, run.stop()
    if stop == "StateMismatch":
        return
    if not s.dry_run:
        m.highq = s.address
    if stop == "DirectoryMisconfigured":
        return
    if s.dry_run:  # leaves no trace, but for the id of a brake ahead: it is good for the real run
        m.brake = found if found and not run.brake_holds() else m.brake
        return
    m.attributes, m.version = tuple(a.lower() for a in s.attributes), run.version
    m.match, m.match_version = s.match, run.match_version
    if stop:
        m.brake = found if stop == "BrakeTripped" and not run.brake_holds() else m.brake
        return
    leave(run)
    for guid, done in run.done.items():
        remember_person(run, guid, done)
    if m.first_sync is None:  # rule 7: "when a run has attempted everyone in scope"
        m.first_sync = (s.first_sync, run.world.now, max(run.world.accounts, default=0))
    lowered = any(cause != "changed" for cause in found)  # "becomes the only baseline"
    m.sweeps = [*([] if lowered else m.sweeps), run.sweep][-8:]
    spent = {f"attributes {m.version}", f"match {m.match_version}", "brake"} & run.acknowledged
    m.spent |= spent - {"brake"}  # "spent when a run that it let through has ended without a stop"
    m.brake = None


def leave(run: Run) -> None:
    """Rule 8: "a full sweep marks them *gone*", and rule 13: "the row passes on"."""
    m, start = run.memory, dict(run.memory.rows)
    served = {row.account for guid, row in start.items() if guid in run.people and row.account}
    for guid, row in start.items():
        if guid not in run.people and row.account in served:
            del m.rows[guid]
        else:
            m.rows[guid] = replace(row, gone=guid not in run.people)
    m.waiting &= set(run.people)


def remember_person(run: Run, guid: int, done: Done) -> None:
    """Rule 4: what is recorded of one person."""
    m, s, image = run.memory, run.settings, run.images[guid]
    m.waiting.discard(guid)
    if done.action in ("Unmatched", "Ambiguous"):
        m.waiting.add(guid)
    if image is None or done.action not in ("Adopt", "Record", "Upload", "Upload replacing"):
        return
    row = Row(image[1], image[0].lower(), done.account, run.version)
    if done.action.startswith("Upload"):
        if settings := refusal(image[1], s):
            m.refused[guid] = (image[1], settings)  # "with the settings that led to it"
            return
        account = run.world.accounts[done.account]
        if account.denied:
            m.waiting.add(guid)  # "A failed upload is tried again in the next run"
            return
        row = replace(row, unconfirmed=account.deaf)  # "if it stays unknown, it is *unconfirmed*"
    m.rows[guid] = row
