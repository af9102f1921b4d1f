"""What is accepted as a message, and the record it becomes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from concertmaster.contracts import (
    Principal,
    RunRecord,
    canonical,
    digest,
    new_id,
    now,
    plain_text,
)
from concertmaster.errors import ApprovalError, ConfigError, KeyReused, RequestError
from concertmaster.policies.redaction import Redactor, in_words

__all__ = ["accepted", "check_answer", "received", "redacted_answer", "repeated"]

_ID_LIMIT = 128
_KEY_LIMIT = 255
_ARGUMENTS_LIMIT = 64 * 1024


def accepted(text: Any, limit: int) -> str:
    """Return the message in the form in which it is stored.

    Raises:
        RequestError: it is no text, empty, or longer than `limit` characters.
    """
    if not isinstance(text, str):
        raise RequestError(
            f"a message is text, not {type(text).__name__}", hint="give it as a string"
        )
    _bounded(len(text), limit)
    cleaned = plain_text(text)
    # Some characters become two when they are normalised.
    _bounded(len(cleaned), limit)
    if not cleaned.strip():
        raise RequestError("the message is empty", hint="write what you want to know or do")
    return cleaned


def _bounded(length: int, limit: int) -> None:
    if length > limit:
        raise RequestError(
            f"the message has {length} characters, more than the {limit} allowed",
            hint="shorten it, or raise limits.message in workflow.yaml",
        )


def _ids(key: str, who: Principal, workspace: str) -> tuple[str, str]:
    if not isinstance(key, str) or not 0 < len(key) <= _KEY_LIMIT or not key.isprintable():
        raise RequestError(
            "an idempotency key has 1 to 255 printable characters", hint="a random UUID is one"
        )
    own = digest({"key": key, "principal": who.id, "tenant": who.tenant, "workspace": workspace})
    drawn = own.rpartition(":")[2]
    return f"run-{drawn[:24]}", f"thread-{drawn[24:48]}"


def repeated(there: RunRecord, again: RunRecord) -> None:
    """Refuse a key that came with something else before.

    Args:
        there: the run that it brought about.
        again: the record that it would be now.

    Raises:
        KeyReused: message or thread are not the same.
    """
    if (there.text, there.thread) != (again.text, again.thread):
        raise KeyReused(
            "this idempotency key came before with another message or thread",
            hint="take a new key for each message",
        )


def check_answer(answer: Any, limit: int) -> None:
    """Refuse an answer to an approval that is too large to be kept, or that says nothing.

    Raises:
        ApprovalError: the words have more than `limit` characters, the edited arguments more than
            64 KB, or a response has no words.
    """
    given = answer if isinstance(answer, Mapping) else getattr(answer, "__dict__", {})
    words = [given.get(name) for name in ("reason", "text")]
    longest = max((len(w) for w in words if isinstance(w, str)), default=0)
    if longest > limit:
        raise ApprovalError(
            f"the answer has {longest} characters, more than the {limit} allowed",
            hint="shorten it, or raise limits.message in workflow.yaml",
        )
    text = given.get("text")
    if isinstance(text, str) and not plain_text(text).strip():
        raise ApprovalError("the response is empty", hint="write what the requester is told")
    if _size(given.get("arguments")) > _ARGUMENTS_LIMIT:
        raise ApprovalError(
            f"the edited arguments have more than {_ARGUMENTS_LIMIT // 1024} KB",
            hint="keep large values where the tool can read them, and pass a reference",
        )


def redacted_answer(answer: Any, redactor: Redactor) -> Any:
    """Return an answer whose words hold nothing that must not be stored.

    Raises:
        ApprovalError: the edited arguments do; a call is not changed behind its reviewer's back.
    """
    given = answer if isinstance(answer, Mapping) else getattr(answer, "__dict__", {})
    found = redactor.redact_json(given.get("arguments")).found
    if found:
        raise ApprovalError(
            f"the edited arguments hold what is not stored here: {in_words(found)}",
            hint="leave it out, or name its kind under redaction.keep in workflow.yaml",
        )
    words = {
        name: redactor.redact(text).text
        for name in ("reason", "text")
        if isinstance(text := given.get(name), str)
    }
    if isinstance(answer, Mapping):
        return {**answer, **words}
    return answer.model_copy(update=words) if isinstance(answer, BaseModel) else answer


def _size(arguments: Any) -> int:
    try:
        return len(canonical(arguments))
    except (ValueError, RecursionError):
        return 0  # No plain JSON: the approvals' own check says so.


def received(
    text: str, who: Principal, thread: Any, workspace: str, key: str | None = None
) -> RunRecord:
    """Return the record of a message on a thread, on a new one if `thread` is None.

    With an idempotency key, the ids follow from it and from whose it is.

    Raises:
        ConfigError: the thread id is none.
        RequestError: the key is none.
    """
    run, fresh = (new_id("run"), new_id("thread")) if key is None else _ids(key, who, workspace)
    chosen = fresh if thread is None else thread
    if not isinstance(chosen, str) or not 0 < len(chosen) <= _ID_LIMIT or not chosen.isprintable():
        raise ConfigError(
            "a thread id has 1 to 128 printable characters", hint="leave it out for a new one"
        )
    stamp = now().isoformat()
    return RunRecord(
        id=run,
        thread=chosen,
        workspace=workspace,
        principal=who,
        text=text,
        status="queued",
        created=stamp,
        updated=stamp,
    )
