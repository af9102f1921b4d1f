"""Recorded runs of an agent: what was said, which calls were made, what came back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["WRITES", "Recording", "Step", "read_recordings"]

WRITES = frozenset(
    {
        "book_reservation",
        "cancel_reservation",
        "send_certificate",
        "update_reservation_baggages",
        "update_reservation_flights",
        "update_reservation_passengers",
    }
)
"""The tools that change the airline's books. A transfer to a human agent changes nothing."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One recorded call with its result; `message` is its place in the conversation."""

    message: int
    tool: str
    arguments: Mapping[str, Any]
    output: str
    calls_in_message: int

    @property
    def executed(self) -> bool:
        """Whether the call took effect or answered; failures begin with `Error`."""
        return not self.output.startswith("Error")

    @property
    def is_write(self) -> bool:
        """Whether the call changes the airline's books."""
        return self.tool in WRITES


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One run: its messages, its calls, and the actions that its task wants.

    `wanted` is read by the tally alone; nothing that decides sees it.
    """

    task: int
    trial: int
    messages: tuple[Mapping[str, Any], ...]
    steps: tuple[Step, ...]
    wanted: tuple[tuple[str, Mapping[str, Any]], ...]


def read_recordings(path: Path) -> Iterator[Recording]:
    """Yield the runs of a file of JSON lines, packed with gzip or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield _recording(json.loads(line))


def _recording(row: Mapping[str, Any]) -> Recording:
    messages = tuple(row["traj"])
    return Recording(
        task=int(row["task_id"]),
        trial=int(row.get("trial", 0)),
        messages=messages,
        steps=tuple(_steps(messages)),
        wanted=tuple((a["name"], a["kwargs"]) for a in row["info"]["task"]["actions"]),
    )


def _steps(messages: tuple[Mapping[str, Any], ...]) -> Iterator[Step]:
    """Match results to calls by position: ids of calls repeat within a run."""
    for index, message in enumerate(messages):
        calls = message.get("tool_calls") or []
        for offset, call in enumerate(calls, start=1):
            result = messages[index + offset] if index + offset < len(messages) else {}
            if result.get("role") != "tool":
                continue
            yield Step(
                message=index,
                tool=call["function"]["name"],
                arguments=json.loads(call["function"]["arguments"] or "{}"),
                output=str(result.get("content") or ""),
                calls_in_message=len(calls),
            )
