"""What a call's values may come from: the messages of the graph, each with the trust it has.

Whoever can write a graph's state can write its messages, and so the principal's words, too. A
program that keeps them in a safer place gives `words` to the governance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from concertmaster.contracts import Confidentiality, Label, Principal, Trust
from concertmaster.graphs.langchain.proposed import Proposed
from concertmaster.policies.provenance import Source, Sources

if TYPE_CHECKING:
    from concertmaster.tools.declaration import Tool

__all__ = ["Reader", "Reading", "Words"]

Words = Callable[[str, Principal], Iterable[str]]
"""`(thread, principal) -> texts`: what the principal said on this thread, from a safe place."""

_REMEMBERED = 2048
_START = Label(trust=Trust.trusted, confidentiality=Confidentiality.public)
_UNKNOWN = Label(trust=Trust.untrusted, confidentiality=Confidentiality.restricted)


@dataclass(frozen=True)
class Reading:
    """What was read before a call: where values may stand, and of which tools; `""` is unknown."""

    sources: Sources
    tools: frozenset[str]


class Reader:
    """Reads messages. A message that was read before gives the same source again."""

    def __init__(self, tools: Mapping[str, Tool], words: Words | None = None) -> None:
        self._tools = tools
        self._words = words
        self._source = lru_cache(_REMEMBERED)(_source)
        self._label = lru_cache(_REMEMBERED)(self._make_label)
        self._endorsed = lru_cache(_REMEMBERED)(self._make_endorsed)

    def read(self, call: Proposed) -> Reading:
        """Return what stands before a call."""
        sources: list[Source] = []
        read: set[str] = set()
        called: dict[str, str] = {}
        if self._words is not None:
            for number, text in enumerate(self._words(call.place, call.acting.principal), 1):
                sources.append(self._source(f"words {number}", "principal", str(text)))
        for number, message in enumerate(call.messages, 1):
            if isinstance(message, AIMessage):
                called.update((str(c["id"]), c["name"]) for c in message.tool_calls)
            elif isinstance(message, ToolMessage):
                name = called.get(message.tool_call_id, "")
                sources += self._output(message, name)
                if message.status != "error":
                    read.add(name)
            elif isinstance(message, SystemMessage):
                sources.append(self._source(f"system {number}", "trusted", message.text))
            elif isinstance(message, HumanMessage):
                theirs = self._words is None and _said_by(message, call.acting.principal)
                trust: Any = "principal" if theirs else "untrusted"
                sources.append(self._source(f"message {number}", trust, message.text))
                if not theirs and self._words is None:
                    read.add("")
        return Reading(Sources(*sources), frozenset(read))

    def label(self, read: frozenset[str]) -> Label:
        """Return the join of the labels of what these tools returned; strangers', the worst."""
        return self._label(read)

    def _make_label(self, read: frozenset[str]) -> Label:
        label = _START
        for name in sorted(read):
            label = label.join(_label_of(self._tools.get(name)))
        return label

    def _output(self, message: ToolMessage, name: str) -> Iterable[Source]:
        content = message.content
        text = content if isinstance(content, str) else _as_text(content)
        at = f"{name or 'unknown tool'} {message.tool_call_id}"
        yield self._source(at, "untrusted", text)
        endorsed = self._endorsed(at, name, text) if message.status != "error" else None
        if endorsed is not None:
            yield endorsed

    def _make_endorsed(self, at: str, name: str, text: str) -> Source | None:
        tool = self._tools.get(name)
        part = tool.endorsed(_as_json(text)) if tool is not None else None
        return None if part is None else Source(f"{at} (endorsed)", "trusted", part)


def _label_of(tool: Tool | None) -> Label:
    if tool is None:
        return _UNKNOWN
    return Label(trust=tool.trust, confidentiality=tool.label, sources=(tool.name,))


def _source(id_: str, trust: Literal["principal", "trusted", "untrusted"], text: str) -> Source:
    return Source(id_, trust, text if trust != "untrusted" else _as_json(text))


def _said_by(message: HumanMessage, principal: Principal) -> bool:
    """Tell whether a message of a person is the principal's own.

    Summaries and the words of other agents travel as messages of a person, too: the former are
    marked, the latter named.
    """
    if message.additional_kwargs.get("lc_source") is not None:
        return False
    return message.name is None or message.name in (principal.id, principal.name)


def _as_json(text: str) -> Any:
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _as_text(content: Any) -> str:
    try:
        return json.dumps(content, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(content)
