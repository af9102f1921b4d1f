"""The question that the gate answers: may this call run?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import History, Label, Principal, digest
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.policies.provenance import Sources

__all__ = ["Call"]

_UNTRUSTED = Label()
_NO_SOURCES = Sources()
_NO_PAST = History()


@dataclass(frozen=True, kw_only=True)
class Call:
    """One proposed tool call with everything that a decision may depend on.

    Args:
        tool: the tool's exact name.
        arguments: plain JSON, as the tool would get them.
        principal: on whose behalf, resolved by the host.
        step: the step that proposes it.
        allowed: the step's list of tools.
        review: the step's review point.
        facts: what the tool's fact resolver found; None if the tool has none.
        facts_error: why the facts could not be had; the call is then denied.
        intent: the classified intent, a hint and no authority.
        label: the join of everything that was read before the call.
        sources: where its values may stand: the principal's words, results, documents.
        history: what was done before in its run and on its thread.
        offered: the tools that the principal's intent declares.
    """

    tool: str
    arguments: Mapping[str, Any]
    principal: Principal
    step: str
    allowed: tuple[str, ...]
    review: ReviewSpec
    facts: Mapping[str, Any] | None = None
    facts_error: str | None = None
    intent: str | None = None
    label: Label = _UNTRUSTED
    sources: Sources = _NO_SOURCES
    history: History = _NO_PAST
    offered: frozenset[str] = frozenset()

    def digest(self) -> str:
        """Return the digest of what would run, the same as `Action.call_digest`.

        Raises:
            ValueError: the arguments are not plain JSON.
        """
        return digest({"tool": self.tool, "arguments": self.arguments})
