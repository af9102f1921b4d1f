"""The issue tracker as tests see it from outside: its call, its processes, what it was told."""

import contextlib
import json
from pathlib import Path
from typing import Any

from concertmaster.contracts import Action

SCRIPT = Path(__file__).with_name("tracker.py")
TOKEN = "tok-5f0c77e1"

CREATE = Action(
    position=0,
    step="executor",
    tool="create_issue",
    arguments={"title": "lamp", "project": "shop"},
    key="issue",
    why="asked",
)


def issues(state: Path) -> list[dict[str, Any]]:
    """Return the issues that were opened."""
    file = state / "issues.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def alive(state: Path) -> list[int]:
    """Return the processes of a server that are still there."""
    mark = f"TRACKER_STATE={state}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in process.read_bytes().split(b"\0"):
                found.append(int(process.parent.name))
    return found
