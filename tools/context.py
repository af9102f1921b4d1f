"""What a tool may know of the call that it serves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from concertmaster.contracts import Principal

__all__ = ["ToolContext"]


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """What a tool may know of the call: injected into a parameter annotated `ToolContext`.

    `idempotency_key` is the same for every attempt at the same call. `data_dir` is the
    workspace's own writable folder in the home directory.
    """

    principal: Principal
    run: str
    thread: str
    idempotency_key: str
    data_dir: Path
