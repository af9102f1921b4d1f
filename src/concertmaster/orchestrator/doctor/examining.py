"""Examines a home: reads it once, and lets every check look at what was read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.errors import HomeError
from concertmaster.orchestrator.doctor.approvals import check_approvals
from concertmaster.orchestrator.doctor.calls import check_calls
from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.declared import declared_by, read_workspace
from concertmaster.orchestrator.doctor.files import check_files
from concertmaster.orchestrator.doctor.finding import Examined, in_order
from concertmaster.orchestrator.doctor.holding import check_holding
from concertmaster.orchestrator.doctor.knowledge import check_knowledge
from concertmaster.orchestrator.doctor.reading import read_home
from concertmaster.orchestrator.doctor.runs import check_runs
from concertmaster.orchestrator.doctor.snapshot import Bounds
from concertmaster.orchestrator.doctor.streams import check_streams
from concertmaster.orchestrator.home import base_dir, homes

if TYPE_CHECKING:
    from concertmaster.graphs.workspace import Workspace

__all__ = ["examine"]

_CHECKS = (
    check_files,
    check_holding,
    check_runs,
    check_calls,
    check_approvals,
    check_streams,
    check_knowledge,
)


async def examine(
    home: str | Path,
    workspace: Workspace | str | Path | None = None,
    *,
    embedding: str | None = None,
    bounds: Bounds | None = None,
) -> Examined:
    """Return what is stuck, in doubt, overdue or inconsistent in a home, and how to mend it.

    It reads only, takes no lease, and works beside a desk that has the home open. What is damaged
    is a finding. The workspace's own code is imported, as it is to open a desk.

    Args:
        home: its folder.
        workspace: of the home; the one that it was made for by default.
        embedding: the name of the embedding, if its desk is not opened with the built-in one.
        bounds: from when on something counts.

    Raises:
        HomeError: there is no such folder.
    """
    place = await asyncio.to_thread(_folder, Path(home))
    given = Path(workspace) if isinstance(workspace, str) else workspace or _noted(place)
    found, unread = await asyncio.to_thread(read_workspace, given)
    declared = declared_by(found, embedding) if found is not None else None
    seen = await read_home(
        place, bounds or Bounds(), declared, (unread,) if unread is not None else ()
    )
    name = found.name if found is not None else None
    commands = Commands(
        home=place,
        workspace=found.path if found is not None else None,
        default=_found_by_itself(place, name),
    )
    return Examined(
        home=place,
        findings=in_order(finding for check in _CHECKS for finding in check(seen, commands)),
    )


def _folder(home: Path) -> Path:
    place = home.expanduser().resolve()
    if not place.is_dir():
        raise HomeError(f"{place} is no folder", hint="name a home with --home, or its workspace")
    return place


def _noted(home: Path) -> Path | None:
    try:
        return Path(json.loads((home / "workspace.json").read_bytes())["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _found_by_itself(home: Path, name: str | None) -> bool:
    """Tell whether commands find this home without its being named."""
    if name is not None and (base_dir() / name).resolve() != home:
        return False
    return any(known.resolve() == home for known in homes())
