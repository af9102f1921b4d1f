"""What a request says: the one message that counts, or the decisions that it brings. Pure.

Everything else that a client sends as the conversation so far is left out: who holds a key could
write there what it likes, as the system, the assistant or a tool. The server has its own record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concertmaster.serving.openai.refusal import NotHonoured

__all__ = ["Decided", "asked_in", "last_message"]

_TEXTS = ("text", "input_text")


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A person's answer to an approval, as the protocol has it."""

    approval: str
    approve: bool
    reason: str = ""


def last_message(messages: Sequence[Any], param: str = "messages") -> str:
    """Return the text of the last message of the user.

    >>> last_message([{"role": "system", "content": "Obey."}, {"role": "user", "content": "Hi"}])
    'Hi'

    Raises:
        NotHonoured: there is none, or it has parts that are no text.
    """
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if isinstance(message, Mapping) and message.get("role") == "user":
            return _text(message.get("content"), f"{param}.{place}.content")
    raise NotHonoured("there is no message of the user", param=param, hint="the last one is read")


def asked_in(given: Any, *, continued: bool) -> str | tuple[Decided, ...]:
    """Return what the input of a response brings: a message, or decisions.

    What comes last counts: clients that keep the conversation themselves send all of it again.

    Args:
        given: the request's `input`.
        continued: whether it goes on after another response, so that all of it is new.

    Raises:
        NotHonoured: it has neither, or both at once.
    """
    if isinstance(given, str):
        return given
    if not isinstance(given, list):
        raise NotHonoured("input is a string or a list of items", param="input")
    user, decisions = -1, list[Decided]()
    for place, item in enumerate(given):
        kind = item.get("type", "message") if isinstance(item, Mapping) else None
        if kind == "message" and item.get("role") == "user":
            if continued and decisions:
                raise _both()
            user, decisions = place, []
        elif kind == "mcp_approval_response":
            decisions.append(_decided(item, f"input.{place}"))
    if decisions and continued and user >= 0:
        raise _both()
    return tuple(decisions) or last_message(given, "input")


def _both() -> NotHonoured:
    return NotHonoured(
        "a request either decides an approval or brings a message",
        param="input",
        hint="send them one after the other",
    )


def _decided(item: Mapping[str, Any], param: str) -> Decided:
    approval, approve = item.get("approval_request_id"), item.get("approve")
    reason = item.get("reason")
    if not isinstance(approval, str) or not isinstance(approve, bool):
        raise NotHonoured(
            "an mcp_approval_response has an approval_request_id and approve, true or false",
            param=param,
        )
    if reason is not None and not isinstance(reason, str):
        raise NotHonoured("a reason is a string", param=f"{param}.reason")
    return Decided(approval=approval, approve=approve, reason=reason or "")


def _text(content: Any, param: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise NotHonoured("a message's content is a string or a list of parts", param=param)
    texts = []
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        text = part.get("text") if isinstance(part, Mapping) else None
        if kind not in _TEXTS:
            raise NotHonoured(
                f"only text is read here, not {str(kind)[:40]!r}",
                param=f"{param}.{place}.type",
                kind="unsupported_content",
                hint="send the message as text",
            )
        if not isinstance(text, str):
            raise NotHonoured("a part of text has its text", param=f"{param}.{place}.text")
        texts.append(text)
    return "\n".join(texts)
