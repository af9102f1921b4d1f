"""What an agent proposes to do, and what came of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from concertmaster.contracts.base import Record, digest
from concertmaster.contracts.labels import Label

__all__ = ["Action", "ActionResult", "ActionStatus"]

ActionStatus = Literal[
    "proposed", "allowed", "waiting", "denied", "rejected", "done", "failed", "in_doubt", "answered"
]


class Action(Record):
    """One proposed tool call at a fixed position of the run's plan.

    `key` is the name under which later calls of a playbook refer to the result.
    """

    position: int = Field(ge=0)
    step: str
    tool: str
    arguments: dict[str, Any]
    key: str
    why: str
    call_id: str | None = None

    def call_digest(self) -> str:
        """Return the digest of what would run: tool and canonical arguments, nothing else."""
        return digest({"tool": self.tool, "arguments": self.arguments})


class ActionResult(Record):
    """What came of an action. `output` is plain JSON, bounded; `reference` names a larger one.

    `message` is what may be told to the principal (the reason of a denial, a reviewer's words).
    """

    position: int
    key: str
    tool: str
    status: ActionStatus
    output: Any = None
    reference: str | None = None
    message: str = ""
    label: Label = Label()
    consequential: bool = False
    fallback_of: str | None = None
