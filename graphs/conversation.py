"""The `messages` channel: what chat UIs of LangGraph send, and what they show.

Such a UI sends `{"messages": [{"type": "human", "content": "..."}]}`, shows the state's `messages`,
and takes each state's list for the whole conversation. So the channel holds the thread's window of
messages (`limits.window`, 12 by default) in LangChain's form, and this turn's: whoever loads a
thread again sees its latest messages, and a checkpoint does not grow with the thread.

The channel is for looking at, never for reading back: prompts are made of `window`, to which no
input has access. Of what a client sends, the last message counts, if it is the user's and is text.
Everything before it (a history that the client tells, system messages, what an assistant or a tool
is to have said) is dropped where it comes in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.message import push_message

from concertmaster.contracts import Citation, Message, Turn

__all__ = [
    "Given",
    "given_of",
    "received",
    "shown",
    "shown_asked",
    "shown_waiting",
    "sources_of",
    "tell",
]

Problem = Literal["empty", "not the user's", "unreadable", "image", "file", "audio", "video"]

_GIVEN = "given"
_PROBLEM = "problem"
_OURS = re.compile(r"run-[0-9a-f]+:(user|assistant|waiting)")
_USER = frozenset({"human", "user"})
_CLASSES = {"HumanMessage": "human", "HumanMessageChunk": "human"}
_TEXT = frozenset({"text", "input_text"})
_KINDS: Mapping[str, Problem] = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
}
_NOTHING = "There is no message to answer."
_TOLD: Mapping[str, tuple[str, str]] = {
    "empty": (_NOTHING, "empty message"),
    "not the user's": (_NOTHING, "the last message is not the user's"),
    "unreadable": (
        "I could not read your message. Please send it as text.",
        "the last message has a form that is not known",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Given:
    """What an input asks. Where there is a problem, `told` is for the user, `cause` for the run."""

    text: str
    told: str = ""
    cause: str = ""


def received(old: Any, new: Any) -> list[Any]:
    """Fold what is written to `messages` into it.

    A list in which each message has an id of ours is what a node wrote: it replaces the channel.
    Of anything else the last message is added, for intake to read. A client that imitates the ids
    changes what it is shown until intake, which writes the channel anew.
    """
    if isinstance(new, list) and new and all(_is_ours(one) for one in new):
        return new
    kept = [one for one in old if _is_ours(one)] if isinstance(old, list) else []
    return [*kept, _given(new)]


def given_of(state: Mapping[str, Any], *, hosted: bool) -> Given:
    """Return what a turn's input asks.

    `message` comes first: where it is not empty, `messages` is not looked at. With a host, which
    keeps what was asked, `messages` never counts.
    """
    message = state.get("message")
    if message or hosted:
        return Given(text=str(message or ""))
    listed = state.get("messages")
    last = listed[-1] if isinstance(listed, list) and listed else None
    if not isinstance(last, dict) or last.get("id") != _GIVEN:
        return Given(text="")
    text, problem = str(last.get("content") or ""), str(last.get(_PROBLEM) or "")
    if not problem:
        return Given(text=text)
    told, cause = _TOLD.get(problem) or _attached(problem)
    return Given(text=text, told=told, cause=cause)


def shown(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Return messages of the window as a chat UI reads them, with ids that stay the same.

    >>> shown([Message(role="assistant", text="Yes. [1]", run="run-1", sources="[1] Returns")])
    [{'type': 'ai', 'content': 'Yes. [1]\\n\\nSources: [1] Returns', 'id': 'run-1:assistant'}]
    """
    return [
        _item(
            "human" if one.role == "user" else "ai",
            f"{one.text}\n\nSources: {one.sources}" if one.sources else one.text,
            f"{one.run}:{one.role}",
        )
        for one in messages
        if one.text
    ]


def shown_asked(messages: Iterable[Message], turn: Turn) -> list[dict[str, str]]:
    """Return the window and what this turn was asked."""
    asked = Message(role="user", text=turn.request.text, run=turn.run)
    return shown((*messages, asked))


def shown_waiting(messages: Iterable[Message], turn: Turn, told: str) -> list[dict[str, str]]:
    """Return the window, what this turn was asked, and that it waits for a person."""
    return [*shown_asked(messages, turn), _item("ai", told, f"{turn.run}:waiting")]


def sources_of(citations: Sequence[Citation]) -> str:
    """Return what an answer cites as one line: number, title, place and document of each.

    >>> card = Citation(number=1, document="cards", version="1", title="Cards", start=0, end=9)
    >>> sources_of([card, card])
    '[1] Cards (cards)'
    """
    told = {
        c.number: " ".join(
            f"[{c.number}] {c.title}{', ' if c.place else ''}{c.place} ({c.document})".split()
        )
        for c in citations
    }
    return "; ".join(told[number] for number in sorted(told))


def tell(message: Mapping[str, str], config: RunnableConfig) -> None:
    """Send a message of ours, whole and checked, to whoever streams a run's messages."""
    callbacks = config.get("callbacks")
    if isinstance(callbacks, BaseCallbackManager) and any(
        hasattr(handler, "tap_output_aiter") for handler in callbacks.handlers
    ):
        push_message(dict(message), state_key=None)


def _item(kind: str, content: str, id_: str) -> dict[str, str]:
    return {"type": kind, "content": content, "id": id_}


def _is_ours(one: Any) -> bool:
    found = one.get("id") if isinstance(one, dict) else None
    return isinstance(found, str) and _OURS.fullmatch(found) is not None


def _given(new: Any) -> dict[str, str]:
    """Return the last message that a client sent as plain data, with what is wrong with it."""
    last = new
    if isinstance(new, list):
        if not new:
            return _wrong("", "empty")
        last = new[-1]
    role, content = _read(last)
    if role is None:
        return _wrong("", "unreadable")
    if role not in _USER:
        return _wrong("", "not the user's")
    text, problem = _text(content)
    return _wrong(text, problem) if problem else _item("human", text, _GIVEN)


def _wrong(text: str, problem: Problem) -> dict[str, str]:
    return {**_item("human", text, _GIVEN), _PROBLEM: problem}


def _read(one: Any) -> tuple[str | None, Any]:
    """Return who says what in a message, of whichever form; None for a form that is not known."""
    if isinstance(one, str):
        return "human", one
    if isinstance(one, BaseMessage):
        role = getattr(one, "role", None) or _CLASSES.get(type(one).__name__) or one.type
        return str(role), one.content
    if isinstance(one, tuple) and len(one) == 2:
        return str(one[0]), one[1]
    if not isinstance(one, dict):
        return None, None
    if one.get("type") == "constructor" and isinstance(one.get("kwargs"), dict):
        # LangChain's own serialized form: `id` ends with the name of the class.
        path = one.get("id")
        name = str(path[-1]) if isinstance(path, list) and path else ""
        return _CLASSES.get(name, name), one["kwargs"].get("content")
    inner = one["data"] if isinstance(one.get("data"), dict) and "content" not in one else one
    role = one.get("role") or inner.get("role") or one.get("type")
    return (role, inner.get("content")) if isinstance(role, str) else (None, None)


def _text(content: Any) -> tuple[str, Problem | None]:
    """Return the text of a content, a text or a list of blocks, and what in it is no text."""
    if content is None or isinstance(content, str):
        return content or "", None
    if not isinstance(content, list):
        return "", "unreadable"
    parts: list[str] = []
    problem: Problem | None = None
    for block in content:
        kind = str(block.get("type")) if isinstance(block, dict) else "text"
        text = block.get("text") if isinstance(block, dict) else block
        if kind not in _TEXT:
            problem = problem or _KINDS.get(kind, "file")
        elif isinstance(text, str):
            parts.append(text)
        else:
            problem = problem or "unreadable"
    return "\n".join(parts), problem


def _attached(kind: str) -> tuple[str, str]:
    what = kind if kind in ("image", "audio", "video") else "file"
    told = f"I can read text only, and did nothing. Please ask again without the {what}."
    return told, f"the message holds what is no text: {what}"
