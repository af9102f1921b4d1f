"""A chat completion and its stream's chunks, from what a run came to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from concertmaster.contracts import Approval, Outcome, RunRecord, Status, Usage
from concertmaster.serving.openai.citing import citations
from concertmaster.serving.openai.meanwhile import quoted
from concertmaster.serving.openai.names import completion_id
from concertmaster.serving.openai.usage import chat_usage
from concertmaster.serving.openai.waiting import goes_on, waits_for

__all__ = ["Completion", "epoch"]


def epoch(moment: str) -> int:
    """Return the seconds since 1970 of a stored moment."""
    return int(datetime.fromisoformat(moment).timestamp())


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What one run says as a chat completion.

    `thread` is its id as the client knows it; `before` are earlier runs that ended meanwhile.
    """

    record: RunRecord
    thread: str
    model: str
    before: Sequence[RunRecord] = field(default=())

    @property
    def prelude(self) -> str:
        """What is told first: the ends of earlier runs that had to wait."""
        return "".join(quoted(record) for record in self.before)

    def closing(self, status: Status, pending: Sequence[Approval]) -> str:
        """Return what is told behind the outcome's text."""
        if status == "awaiting_review" and pending:
            return f"\n\n{waits_for(pending)}"
        return goes_on(completion_id(self.record.id)) if status == "running" else ""

    def whole(
        self, outcome: Outcome, status: Status, pending: Sequence[Approval], usage: Usage
    ) -> dict[str, Any]:
        """Return the completion as one object."""
        text = "" if status == "running" else outcome.text
        message = {
            "role": "assistant",
            "content": self.prelude + text + self.closing(status, pending),
            "refusal": None,
            "citations": self.citations(outcome),
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {
            **self._frame("chat.completion"),
            "choices": [choice],
            "usage": chat_usage(usage),
            "metadata": self.metadata(status, pending),
        }

    def chunk(
        self, delta: dict[str, Any], *, finish: str | None = None, with_usage: bool = False
    ) -> dict[str, Any]:
        """Return one part of the stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        frame = {**self._frame("chat.completion.chunk"), "choices": [choice]}
        return {**frame, "usage": None} if with_usage else frame

    def last_chunk(
        self, outcome: Outcome, pending: Sequence[Approval], *, with_usage: bool
    ) -> dict[str, Any]:
        """Return the part that ends the answer: what it cites, and how the run stands."""
        delta = {"citations": self.citations(outcome)}
        ended = self.chunk(delta, finish="stop", with_usage=with_usage)
        return {**ended, "metadata": self.metadata(outcome.status, pending)}

    def usage_chunk(self, usage: Usage) -> dict[str, Any]:
        """Return the part with the tokens, which clients ask for."""
        frame = self._frame("chat.completion.chunk")
        return {**frame, "choices": [], "usage": chat_usage(usage)}

    def metadata(self, status: Status, pending: Sequence[Approval]) -> dict[str, str]:
        """Return where to go on, and how the run stands."""
        ids = {"thread_id": self.thread, "run_id": self.record.id, "status": status}
        return {**ids, "approvals": ",".join(a.id for a in pending)} if pending else ids

    def citations(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Return what is cited, in the order of the text."""
        told = [c for r in self.before for c in citations(r.outcome, r.id)]
        return [*told, *citations(outcome, self.record.id)]

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": completion_id(self.record.id),
            "object": kind,
            "created": epoch(self.record.created),
            "model": self.model,
        }
