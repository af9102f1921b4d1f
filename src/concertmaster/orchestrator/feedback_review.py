"""Deciding what becomes of feedback: what it would add, and adding it to the workspace's files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.contracts import Principal
from concertmaster.contracts.feedback import Feedback
from concertmaster.errors import WorkspaceError
from concertmaster.orchestrator.feedback_patch import (
    CASES,
    GOLDEN,
    INTENTS,
    Addition,
    additions,
    write,
)

if TYPE_CHECKING:
    from concertmaster.orchestrator.desk import Desk

__all__ = ["accept", "candidate", "skip"]


async def candidate(desk: Desk, feedback: Feedback) -> tuple[Addition, ...]:
    """Return what accepting a piece of feedback would add to the workspace's files.

    Raises:
        WorkspaceError: the workspace has no folder, or nothing can be inserted safely.
    """
    folder = _folder(desk)
    people = frozenset(p.id for p in desk.services.spec.principals.principals)
    files = await asyncio.to_thread(_read, folder)
    return additions(feedback, files, people=people)


async def accept(desk: Desk, feedback: Feedback, who: Principal) -> Feedback:
    """Write what a piece of feedback adds, and note who accepted it.

    `feedback` may carry the reviewer's edits. A file that was written before a crash is found to
    have the entry, and is not written twice.

    Raises:
        ThreadForbidden: this person may not review it.
        RequestError: it was decided before.
        WorkspaceError: nothing can be inserted safely; nothing was written.
    """
    async with desk.home.busy():
        feedback = await desk.corrections.edited(feedback, who)
        found = await candidate(desk, feedback)
        for addition in found:
            if addition.line:
                await asyncio.to_thread(write, _folder(desk), addition)
        added = tuple(a.file for a in found if a.line)
        return await desk.corrections.decided(feedback, who, "accepted", added)


async def skip(desk: Desk, feedback: Feedback, who: Principal) -> Feedback:
    """Note that a piece of feedback adds nothing, and who said so."""
    async with desk.home.busy():
        return await desk.corrections.decided(feedback, who, "skipped", ())


def _folder(desk: Desk) -> Path:
    if desk.workspace is None:
        raise WorkspaceError(
            "a workspace that was built in Python has no files to add to",
            hint="add to its description what `concertmaster feedback list --json` shows",
        )
    return desk.workspace


def _read(folder: Path) -> dict[str, str]:
    found = {}
    for name in (INTENTS, GOLDEN, CASES):
        path = folder / name
        if not path.exists():
            continue
        if path.is_symlink() or not path.is_file():
            raise WorkspaceError(f"{path} is no plain file", hint="nothing is added through a link")
        try:
            with path.open(encoding="utf-8", newline="") as file:
                found[name] = file.read()
        except (OSError, UnicodeDecodeError):
            raise WorkspaceError(f"{path} cannot be read", hint="it has to be UTF-8") from None
    return found
