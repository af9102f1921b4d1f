"""What policies need to know of a tool: its name, effect and the shape of its values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from concertmaster.contracts.base import Record
from concertmaster.contracts.labels import Confidentiality, Trust

__all__ = ["ToolShape"]


class ToolShape(Record):
    """A tool without its function. `arguments` and `facts` are JSON Schemas of objects.

    `targets` are the arguments that decide whom or what a call reaches; None stands for all of
    them. `asks` are the phrases by which people ask for the tool's effect.
    """

    name: str
    effect: Literal["read", "write", "irreversible"]
    arguments: dict[str, Any] = Field(default_factory=dict)
    facts: dict[str, Any] | None = None
    label: Confidentiality = Confidentiality.restricted
    trust: Trust = Trust.untrusted
    clearance: Confidentiality = Confidentiality.public
    targets: tuple[str, ...] | None = None
    asks: tuple[str, ...] = ()

    @property
    def consequential(self) -> bool:
        """Whether a call changes the world."""
        return self.effect != "read"
