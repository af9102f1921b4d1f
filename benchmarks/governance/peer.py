"""The peer, agent-governance-toolkit-core, in an environment of its own beside this one.

Its requirements and ours exclude each other, so it runs in a child process there. The two take
turns round by round, so that a busy machine is busy for both.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from environments import installed

from concertmaster.contracts import Principal, ToolShape
from concertmaster.policies.context import context_of
from concertmaster.policies.provenance import trace
from concertmaster.policies.schema import vocabulary
from governance.calls import Case, Desk
from governance.ours import WORKSPACE
from governance.rules import as_cedar, as_peer, peer_context, rules
from governance.timing import Rounds

__all__ = ["LEFT_OUT", "WE_LEAVE_OUT", "Peer"]

REQUIREMENT = "agent-governance-toolkit-core==5.0.0"

LEFT_OUT = (
    "provenance of the arguments: ours is handed to it ready-made, free of charge",
    "facts about the call: handed to it ready-made",
    "conditions that compare two values (whose order is it?): handed to it as finished flags",
    "a canonical form and digest of the call that an approval can be bound to",
    "whether the tool is known and the step may use it",
    "types: a misspelt attribute makes a condition false instead of failing when it is loaded",
    "several reviewers for one call: one rule wins, its approvers alone are asked",
    "the call, its principal and the digest of the policies in the audit entry",
)
WE_LEAVE_OUT = (
    "a hash chain in memory (ours is made when events are stored) and a Merkle tree over it",
    "rate limits, execution rings and trust scores, which the peer has; they are off here",
)


@dataclass
class Peer:
    """A running child; `times` and `cedar_times` by number of policies."""

    child: subprocess.Popen[str]
    version: str = ""
    times: dict[int, Rounds] = field(default_factory=dict)
    cedar_times: dict[int, Rounds] = field(default_factory=dict)
    actions: dict[int, list[str]] = field(default_factory=dict)
    cedar_actions: dict[int, list[str]] = field(default_factory=dict)

    @classmethod
    def start(cls, desk: Desk, levels: tuple[int, ...]) -> Peer:
        """Start the child and give it calls and policies."""
        python = _interpreter()
        script = Path(__file__).with_name("peer_child.py")
        child = subprocess.Popen(
            [python, "-W", "ignore", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        peer = cls(child)
        peer.version = peer._ask(_setup(desk, levels))["version"]
        for policies in levels:
            peer.times[policies], peer.cedar_times[policies] = Rounds(), Rounds()
        return peer

    def measure(self, policies: int, calls: int) -> None:
        """Have it time one round with its own rules."""
        found = self._ask({"policies": str(policies), "calls": calls, "by": "rules"})
        self.times[policies].add(found["wall"], found["cpu"])
        self.actions[policies] = found["actions"]

    def measure_cedar(self, policies: int, calls: int) -> None:
        """Have it time one round with the very Cedar policies that our gate has."""
        found = self._ask({"policies": str(policies), "calls": calls, "by": "cedar"})
        self.cedar_times[policies].add(found["wall"], found["cpu"])
        self.cedar_actions[policies] = found["actions"]

    def stop(self) -> None:
        """End the child."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        self.child.wait(timeout=30)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(json.dumps(question) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"the peer ended with status {self.child.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _interpreter() -> Path:
    """Return the interpreter of the peer's environment, with the Cedar that we have."""
    return installed("agt", REQUIREMENT, f"cedarpy=={importlib.metadata.version('cedarpy')}")


def _setup(desk: Desk, levels: tuple[int, ...]) -> dict[str, Any]:
    shapes = desk.tools.shapes()
    words = vocabulary(shapes)
    calls, cedar_calls, people = [], [], {}
    for case in desk.cases:
        context = _context(case, shapes[case.call.tool], words)
        who, tool = case.call.principal, case.call.tool
        people[who.id] = who
        read = not shapes[tool].consequential
        calls.append(peer_context(context, who, tool, read=read))
        cedar_calls.append(
            {
                **context,
                "action": {"type": tool},
                "principal": f"User::{json.dumps(who.id)}",
                "resource": f"Tool::{json.dumps(tool)}",
            }
        )
    return {
        "calls": calls,
        "cedar_calls": cedar_calls,
        "entities": [*(_tool(s) for s in shapes.values()), *(_user(p) for p in people.values())],
        "rules": {str(n): as_peer(rules(n)) for n in levels},
        "cedar": {str(n): as_cedar(rules(n)) for n in levels},
    }


def _context(case: Case, shape: ToolShape, words: Any) -> dict[str, Any]:
    sources = case.older.plus(case.newest)
    found = trace(shape, case.call.arguments, sources, offered=case.call.offered)
    call = replace(case.call, facts=case.facts)
    return context_of(call, found, shape, words, WORKSPACE)


def _tool(shape: ToolShape) -> dict[str, Any]:
    about = {
        "effect": shape.effect,
        "consequential": shape.consequential,
        "clearance": shape.clearance.name,
    }
    return {"uid": {"type": "Tool", "id": shape.name}, "attrs": about, "parents": []}


def _user(who: Principal) -> dict[str, Any]:
    about = {"id": who.id, "authenticated": True, "roles": list(who.roles)}
    return {"uid": {"type": "User", "id": who.id}, "attrs": about, "parents": []}
