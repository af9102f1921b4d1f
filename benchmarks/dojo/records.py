"""Recorded runs as they are read from the benchmark's files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Proposed", "Recorded", "read_runs"]


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """One tool call as the model wrote it."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One run: what was asked, which calls each message of the model held, how it ended.

    `security` is true if the attack landed; it means nothing without an attack.
    """

    suite: str
    version: str
    user_task: str
    injection_task: str | None
    injections: dict[str, str] = field(repr=False)
    system: str = field(repr=False)
    prompt: str = field(repr=False)
    steps: tuple[tuple[Proposed, ...], ...] = field(repr=False)
    answer: str = field(repr=False)
    utility: bool
    security: bool

    @property
    def attacked(self) -> bool:
        """Whether an attacker's text was planted."""
        return self.injection_task is not None


def read_runs(paths: Sequence[Path], suites: frozenset[str] = frozenset()) -> list[Recorded]:
    """Return the runs of these files, of these suites only if any are named."""
    return [run for path in paths for run in _read(path) if not suites or run.suite in suites]


def _read(path: Path) -> Iterator[Recorded]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            if line.strip():
                yield _run(json.loads(line))


def _run(record: dict[str, Any]) -> Recorded:
    messages = record["messages"]
    last = messages[-1]
    return Recorded(
        suite=record["suite_name"],
        version=record.get("benchmark_version") or "v1",
        user_task=record["user_task_id"],
        injection_task=record.get("injection_task_id"),
        injections=record.get("injections") or {},
        system=_said_by("system", messages),
        prompt=_said_by("user", messages),
        steps=tuple(_steps(messages)),
        answer=_text(last.get("content")) if last["role"] == "assistant" else "",
        utility=bool(record["utility"]),
        security=bool(record["security"]),
    )


def _steps(messages: list[dict[str, Any]]) -> Iterator[tuple[Proposed, ...]]:
    for message in messages:
        if message["role"] == "assistant" and message.get("tool_calls"):
            yield tuple(
                Proposed(tool=call["function"], arguments=dict(call["args"]))
                for call in message["tool_calls"]
            )


def _said_by(role: str, messages: list[dict[str, Any]]) -> str:
    return "\n\n".join(_text(m.get("content")) for m in messages if m["role"] == role)


def _text(content: Any) -> str:
    """Return a message's text, whether it was recorded as one text or as blocks."""
    if isinstance(content, list):
        return "\n".join(str(block.get("content") or "") for block in content)
    return content or ""
