"""The gate over the tools of all suites: one set of declarations, one folder of policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Gate
from concertmaster.tools.declaration import Tool
from dojo.declarations_banking import BANKING
from dojo.declarations_slack import SLACK
from dojo.declarations_travel import TRAVEL
from dojo.declarations_workspace import WORKSPACE
from dojo.declared import Declared, declare_all
from dojo.world import suite_of

__all__ = ["DECLARATIONS", "Guarded", "guarded"]

DECLARATIONS: Mapping[str, Mapping[str, Declared]] = {
    "workspace": WORKSPACE,
    "banking": BANKING,
    "slack": SLACK,
    "travel": TRAVEL,
}
_POLICIES = Path(__file__).parent / "policies"


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """The declared tools with the gate that decides about their calls."""

    tools: Mapping[str, Tool]
    declared: Mapping[str, Declared]
    gate: Gate


@lru_cache
def guarded(version: str) -> Guarded:
    """Return tools and gate for a version of the benchmark."""
    tools: dict[str, Tool] = {}
    declared: dict[str, Declared] = {}
    for suite, about in DECLARATIONS.items():
        tools.update(declare_all(suite_of(version, suite).tools, about))
        declared.update(about)
    shapes = {name: tool.shape() for name, tool in tools.items()}
    gate = Gate(PolicyEngine.load(_POLICIES, shapes), shapes, "agentdojo")
    return Guarded(tools=tools, declared=declared, gate=gate)
