"""What is accepted as a message, and the record it becomes. Pure."""

from __future__ import annotations

from typing import Any

from concertmaster.contracts import Principal, RunRecord, new_id, now, plain_text
from concertmaster.errors import ConfigError, RequestError

__all__ = ["accepted", "received"]

_ID_LIMIT = 128


def accepted(text: Any, limit: int) -> str:
    """Return the message in the form in which it is stored.

    Raises:
        RequestError: it is no text, empty, or longer than `limit` characters.
    """
    if not isinstance(text, str):
        raise RequestError(
            f"a message is text, not {type(text).__name__}", hint="give it as a string"
        )
    if len(text) > limit:
        raise RequestError(
            f"the message has {len(text)} characters, more than the {limit} allowed",
            hint="shorten it, or raise limits.message in workflow.yaml",
        )
    cleaned = plain_text(text)
    if not cleaned.strip():
        raise RequestError("the message is empty", hint="write what you want to know or do")
    return cleaned


def received(text: str, who: Principal, thread: Any, workspace: str) -> RunRecord:
    """Return the record of a message on a thread, on a new one if `thread` is None.

    Raises:
        ConfigError: the thread id is none.
    """
    chosen = new_id("thread") if thread is None else thread
    if not isinstance(chosen, str) or not 0 < len(chosen) <= _ID_LIMIT or not chosen.isprintable():
        raise ConfigError(
            "a thread id has 1 to 128 printable characters", hint="leave it out for a new one"
        )
    stamp = now().isoformat()
    return RunRecord(
        id=new_id("run"),
        thread=chosen,
        workspace=workspace,
        principal=who,
        text=text,
        status="queued",
        created=stamp,
        updated=stamp,
    )
