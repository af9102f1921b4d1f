"""The requests' bodies, and what of them cannot be honoured.

A field that asks for another form of the answer, or for something to be done that is not done here,
is refused. One that only steers a model (`temperature`, `max_tokens`, `tools` that nobody forces,
`instructions`) is accepted and has no effect: which models are asked, and how, is the workflow's.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from concertmaster.serving.openai.refusal import NotHonoured

__all__ = ["ChatRequest", "ResponseRequest", "StreamOptions", "thread_in"]

_LONGEST_ID = 200


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class StreamOptions(_Wanted):
    """What a stream is to have beside the answer."""

    include_usage: bool | None = None


class ChatRequest(_Wanted):
    """What a chat completion is asked with; other fields of the protocol have no effect."""

    model: str = Field(max_length=_LONGEST_ID)
    messages: list[dict[str, Any]] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: dict[str, Any] | None = None
    n: int | None = None
    tool_choice: Any = None
    function_call: Any = None
    response_format: Any = None
    modalities: Any = None
    logprobs: Any = None

    def check(self) -> None:
        """Raise NotHonoured for what would change the answer's form or what is done."""
        if self.n not in (None, 1):
            raise _not_done("n", "a run gives one answer, so that n is 1")
        _unforced("tool_choice", self.tool_choice)
        _unforced("function_call", self.function_call)
        _plain("response_format", self.response_format)
        if self.modalities is not None and self.modalities != ["text"]:
            raise _not_done("modalities", "answers are text")
        if self.logprobs:
            raise _not_done("logprobs", "answers have no probabilities")


class ResponseRequest(_Wanted):
    """What a response is asked with; other fields of the protocol have no effect."""

    model: str | None = Field(default=None, max_length=_LONGEST_ID)
    input: str | list[dict[str, Any]]
    stream: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = Field(default=None, max_length=_LONGEST_ID)
    conversation: str | dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    tool_choice: Any = None
    text: Any = None
    prompt: Any = None

    def check(self) -> None:
        """Raise NotHonoured for what would change the answer's form or what is done."""
        _unforced("tool_choice", self.tool_choice)
        if isinstance(self.text, dict):
            _plain("text.format", self.text.get("format"))
        if self.prompt is not None:
            raise _not_done("prompt", "there are no stored prompts here")
        if self.previous_response_id is not None and self.conversation is not None:
            raise NotHonoured(
                "previous_response_id and conversation both name a thread",
                param="conversation",
                hint="send one of them",
            )

    @property
    def named_thread(self) -> str | None:
        """The thread that the client names, if any."""
        if self.conversation is None:
            return thread_in(self.metadata)
        given = self.conversation
        found = given.get("id") if isinstance(given, dict) else given
        if not isinstance(found, str):
            raise NotHonoured("a conversation is an id", param="conversation")
        return found


def thread_in(metadata: dict[str, Any] | None) -> str | None:
    """Return the thread that metadata name.

    Raises:
        NotHonoured: it is no string.
    """
    found = (metadata or {}).get("thread_id")
    if found is not None and not isinstance(found, str):
        raise NotHonoured("a thread's id is a string", param="metadata.thread_id")
    return found


def _unforced(param: str, choice: Any) -> None:
    if choice not in (None, "auto", "none"):
        raise _not_done(param, "no client can force a call here; the workflow's policies decide")


def _plain(param: str, form: Any) -> None:
    kind = form.get("type") if isinstance(form, dict) else form
    if kind not in (None, "text"):
        raise _not_done(param, "answers are plain text with citations, in no other form")


def _not_done(param: str, why: str) -> NotHonoured:
    return NotHonoured(why, param=param, kind="unsupported_value", hint="leave it out")
