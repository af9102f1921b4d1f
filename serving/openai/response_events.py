"""The typed events of a response's stream, numbered from 0. Pure.

The same facts give the same events with the same numbers, so that a client which has some of them
can ask for the rest.
"""

from __future__ import annotations

from typing import Any

from concertmaster.contracts import Approval, Outcome, Usage
from concertmaster.serving.openai.citing import annotated
from concertmaster.serving.openai.response import (
    Head,
    approval_item,
    message_item,
    text_part,
)

__all__ = ["ResponseWriter"]

_LAST = {"completed": "response.completed", "failed": "response.failed"}

Event = dict[str, Any]


class ResponseWriter:
    """Writes one response: each method returns the events that follow from what it is told."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._number = 0
        self._text: str | None = None
        self.output: list[dict[str, Any]] = []
        """The items that are complete."""

    def begin(self) -> list[Event]:
        """Open the response."""
        there = self._head.response("running", [])
        return [
            self._event("response.created", response=there),
            self._event("response.in_progress", response=there),
        ]

    def message(self, id: str, text: str, outcome: Outcome | None) -> list[Event]:
        """Write a whole message, such as the end of an earlier run."""
        return [*self._open(id), *self._delta(id, text), *self._close(id, text, outcome)]

    def approval(self, approval: Approval) -> list[Event]:
        """Write a call that waits for people, once."""
        if any(item["id"] == approval.id for item in self.output):
            return []
        item, place = approval_item(approval, self._head.model), len(self.output)
        self.output.append(item)
        return [
            self._event("response.output_item.added", output_index=place, item=item),
            self._event("response.output_item.done", output_index=place, item=item),
        ]

    def text(self, part: str) -> list[Event]:
        """Write a part of the answer."""
        id = self._head.name.message
        opened = self._open(id) if self._text is None else []
        self._text = (self._text or "") + part
        return [*opened, *self._delta(id, part)]

    def end(self, outcome: Outcome, usage: Usage) -> list[Event]:
        """Close what is open, and the response."""
        events = []
        if self._text is not None:
            events += self._close(self._head.name.message, self._text, outcome)
            self._text = None
        whole = self._head.response(outcome.status, self.output, outcome=outcome, usage=usage)
        return [*events, self._event(_last(whole["status"]), response=whole)]

    def _open(self, id: str) -> list[Event]:
        item = {**message_item(id, "", None), "status": "in_progress", "content": []}
        place = len(self.output)
        return [
            self._event("response.output_item.added", output_index=place, item=item),
            self._event("response.content_part.added", **self._at(id), part=text_part("", [])),
        ]

    def _delta(self, id: str, part: str) -> list[Event]:
        return [self._event("response.output_text.delta", **self._at(id), delta=part, logprobs=[])]

    def _close(self, id: str, text: str, outcome: Outcome | None) -> list[Event]:
        at, cited = self._at(id), annotated(outcome)
        item = message_item(id, text, outcome)
        added = "response.output_text.annotation.added"
        events = [
            self._event(added, **at, annotation_index=n, annotation=annotation)
            for n, annotation in enumerate(cited)
        ]
        events += [
            self._event("response.output_text.done", **at, text=text, logprobs=[]),
            self._event("response.content_part.done", **at, part=text_part(text, cited)),
            self._event("response.output_item.done", output_index=len(self.output), item=item),
        ]
        self.output.append(item)
        return events

    def _at(self, id: str) -> dict[str, Any]:
        return {"item_id": id, "output_index": len(self.output), "content_index": 0}

    def _event(self, kind: str, **fields: Any) -> Event:
        event = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return event


def _last(status: str) -> str:
    """Return the event that ends a stream; a response may still be queued or cancelled there."""
    if status == "queued":
        return "response.queued"
    return _LAST.get(status, "response.incomplete")
