"""What was agreed with an MCP server: its tools as they were when somebody looked at them.

A server may change what a tool says of itself at any time, after it was approved. So a workspace
keeps, beside the module that declares the tools, `mcp.lock.json` with every description and schema
that was seen, to be reviewed and committed like code. A tool that is not as it is there is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from concertmaster.contracts import digest
from concertmaster.contracts.base import Record
from concertmaster.errors import ConfigError

__all__ = ["LOCK", "Pin", "PinnedServer", "Pins", "read_pins", "write_pins"]

LOCK = "mcp.lock.json"
_LARGEST = 4 * 2**20


class Pin(Record):
    """One tool as its server described it: everything that a client or a model may go by."""

    title: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] = Field(default_factory=dict)
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None

    @property
    def digest(self) -> str:
        """What identifies the description."""
        return digest(self.model_dump(mode="json"))

    def differences(self, other: Pin) -> tuple[str, ...]:
        """Return what is not the same in another description, in words."""
        words = {"input_schema": "arguments", "output_schema": "result"}
        mine, theirs = self.model_dump(mode="json"), other.model_dump(mode="json")
        return tuple(words.get(name, name) for name in mine if mine[name] != theirs[name])


class PinnedServer(Record):
    """The tools of one server, and where it was."""

    at: str
    tools: dict[str, Pin] = Field(default_factory=dict)


class Pins(Record):
    """What `mcp.lock.json` holds."""

    version: int = Field(default=1, ge=1, le=1)
    servers: dict[str, PinnedServer] = Field(default_factory=dict)

    def of(self, server: str, at: str, tool: str) -> Pin | None:
        """Return how a tool was described, or None if nobody looked at it at this place."""
        known = self.servers.get(server)
        return known.tools.get(tool) if known is not None and known.at == at else None


def read_pins(folder: Path) -> Pins:
    """Read the lock file of a folder; an empty one if there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    file = folder / LOCK
    try:
        if not file.exists():
            return Pins()
        if file.stat().st_size > _LARGEST:
            raise ValueError("too large")
        return Pins.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError, RecursionError):
        raise ConfigError(
            f"{file} cannot be read", hint="write it anew with `concertmaster tools pin`"
        ) from None


def write_pins(folder: Path, servers: Mapping[str, PinnedServer]) -> Path:
    """Write the lock file of a folder, whole or not at all, and return its path."""
    file = folder / LOCK
    content = Pins(servers=dict(sorted(servers.items()))).model_dump(mode="json", exclude_none=True)
    text = json.dumps(content, indent=2, ensure_ascii=True, sort_keys=True)
    beside = file.with_name(f".{LOCK}.{os.getpid()}")
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(file)
    return file
