"""Asking people within a task: one question after the other, each answer for its own question.

LangGraph hands out resume values by their order within a task, and hands the earlier ones out
again after each resume. Calls that share a task (a `ToolNode` that runs several) may come in any
order. So the order of the questions is written down, an answer counts once, and one that nobody
asked for counts for nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from concertmaster.contracts import Approval, Decision

__all__ = ["Attempt", "Attempts", "CannotAsk", "origins_in_words", "request_of"]

_REMEMBERED = 1024


class CannotAsk(Exception):
    """There is no graph that could wait for an answer."""


class Attempt:
    """One execution of one task: the resume values that it has taken so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: list[Any] = []

    def answer(self, position: int, question: Callable[[int], Any]) -> Any:
        """Return the answer to the question at a position, or interrupt the graph with it.

        Questions before it are asked first, so that no answer is taken for another one's.

        Raises:
            GraphInterrupt: the question, or an earlier one, is not answered yet.
        """
        from langgraph.types import interrupt

        with self._lock:
            while len(self._values) <= position:
                self._values.append(interrupt(question(len(self._values))))
            return self._values[position]


class Attempts:
    """The attempts that are going on; several calls of one task share theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[int, tuple[object, Attempt]] = OrderedDict()

    def current(self) -> Attempt:
        """Return the present task's.

        Raises:
            CannotAsk: this does not run within a graph.
        """
        from langgraph.config import get_config

        try:
            pad = get_config()["configurable"]["__pregel_scratchpad"]
        except (RuntimeError, KeyError):
            raise CannotAsk from None
        with self._lock:
            # Kept with the pad itself, so that its number is not given away meanwhile.
            _, attempt = self._known.setdefault(id(pad), (pad, Attempt()))
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return attempt


def request_of(approval: Approval) -> dict[str, Any]:
    """Return LangChain's HITLRequest for one action, with the approval's id and all reasons."""
    needs = ", ".join(f"{need.count} × {need.role}" for need in approval.needs)
    lines = [
        *(approval.reasons or (approval.action.why,)),
        f"for {approval.requester}; needs {needs}; approval {approval.id}",
    ]
    return {
        "action_requests": [
            {
                "name": approval.action.tool,
                "args": approval.action.arguments,
                "description": "\n".join(lines),
            }
        ],
        "review_configs": [
            {
                "action_name": approval.action.tool,
                "allowed_decisions": ["approve", "edit", "reject", "respond"],
            }
        ],
        "approval": approval.id,
    }


def origins_in_words(decision: Decision) -> list[str]:
    """Return what a reviewer should know of where the values come from, in sentences."""
    provenance = decision.provenance
    if provenance is None:
        return []
    told = []
    for value in provenance.values:
        where = ", ".join(value.sources)
        match value.origin:
            case "untrusted":
                told.append(f"{value.path} stands only in untrusted output ({where})")
            case "composed":
                told.append(f"{value.path} stands nowhere: the model composed it")
    told.append(provenance.asked_why or ("asked for" if provenance.asked else "not asked for"))
    return told
