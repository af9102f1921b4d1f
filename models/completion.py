"""One question to one model: bounded, repeated where that can help, its reply checked.

A request that failed for a passing reason is repeated, `attempts` times in all. Besides, an answer
that cannot be used is asked for again once, with what was wrong with it; data then by a schema that
binds the answer, where the model takes one. A server that refuses tools or a schema is asked
without them. Whatever fails in the end, fails with its kind.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from concertmaster.contracts import Usage
from concertmaster.contracts.failure import AVAILABILITY
from concertmaster.contracts.model import PriceSpec, Structured
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models.failure import Failure, read_failure
from concertmaster.models.prices import priced
from concertmaster.models.question import Question
from concertmaster.models.quiet import unheard
from concertmaster.models.reply import (
    Malformed,
    ModelUsage,
    Reply,
    read_data,
    read_reply,
    read_usage,
)
from concertmaster.models.waiting import pause_before

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["Opened", "Patience", "Question", "ask"]

_FAIR = 2.0
_EXPECTED = 3.0

_Way = Literal["tool", "schema", "words"]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A chat model ready to be asked, with the names under which people and price lists know it.

    `structured` says how it is asked for data first.
    """

    chat: BaseChatModel
    name: str
    model: str | None
    provider: str | None
    price: PriceSpec | None = None
    structured: Structured = "tool"

    @property
    def takes_schema(self) -> bool:
        """Whether it speaks OpenAI's protocol, in which a schema may bind the whole answer."""
        return any(kind.__name__ == "BaseChatOpenAI" for kind in type(self.chat).__mro__)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long and how often a model is asked: `seconds` for all, `timeout` for one attempt.

    `expected` is the latency to expect, None if nobody knows.
    """

    seconds: float
    timeout: float | None = None
    attempts: int = 2
    expected: float | None = None

    def fair(self, given: float) -> bool:
        """Tell whether a model that did not answer in this time had its time.

        That is the declared one, or else three times what it is expected to take, at least 2 s.
        """
        enough = max(_FAIR, _EXPECTED * (self.expected or 0.0))
        return given >= (enough if self.timeout is None else min(enough, self.timeout))


@dataclass
class _Asking:
    """What has become of a question so far.

    `way` is how data are asked for, `schema` whether a schema may bind them. `known` is False once
    an attempt's cost is not.
    """

    question: Question
    way: _Way
    schema: bool
    usage: ModelUsage = field(default_factory=lambda: ModelUsage(cost=0.0))
    answers: int = 0
    failures: int = 0
    repaired: bool = False
    known: bool = True


async def ask(
    opened: Opened,
    question: Question,
    patience: Patience,
    *,
    sending: Callable[[], None] = lambda: None,
) -> Reply:
    """Return the model's checked reply.

    Args:
        opened: the model.
        question: messages, and tools or a schema.
        patience: for how long and how often.
        sending: called before each request.

    Raises:
        ModelUnavailable: it cannot serve at present, whatever it is asked.
        ModelError: it took too long, refused, or answered what cannot be used.
    """
    asking = _asking(opened, question)
    deadline = time.monotonic() + patience.seconds
    while True:
        left = deadline - time.monotonic()
        sending()
        try:
            message = await _answer(opened, asking, patience, left)
            return _read(opened, asking, message)
        except _Late as late:
            failure = late.failure
            asking.known = False
        except Exception as error:
            failure = read_failure(error, time.time())
            asking.known = asking.known and failure.kind not in ("timeout", "too_large")
        pause = _pause(asking, failure, patience)
        if pause is None or pause >= deadline - time.monotonic():
            raise _error(opened, asking, failure)
        if pause:
            await asyncio.sleep(pause)


def _asking(opened: Opened, question: Question) -> _Asking:
    if question.schema is None:
        return _Asking(question, "words", schema=False)
    way: _Way = "schema" if opened.structured == "schema" and opened.takes_schema else "tool"
    return _Asking(question, way, schema=opened.takes_schema)


class _Late(Exception):
    """An attempt that had no answer in its time."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


async def _answer(opened: Opened, asking: _Asking, patience: Patience, left: float) -> Any:
    last = patience.timeout is None or patience.timeout >= left
    bound = left if patience.timeout is None else min(patience.timeout, left)
    try:
        async with asyncio.timeout(bound) as scope:
            chat = _bound(opened.chat, asking.question, asking.way)
            return await chat.ainvoke(asking.question.messages, unheard())
    except TimeoutError:
        if not scope.expired():
            raise
        whole = patience.seconds if last else bound
        failure = Failure(
            kind="timeout" if patience.fair(bound) else "late",
            told=f"did not answer within {whole:.2g} s",
            again=not last,
        )
        raise _Late(failure) from None


def _pause(asking: _Asking, failure: Failure, patience: Patience) -> float | None:
    """Note a failure, and return how long to wait before asking again; None to give up."""
    if failure.tools and asking.way != "words":
        asking.schema = asking.schema and asking.way != "schema"
        asking.way = "words"
        # After a repair the form is in words already.
        if not asking.repaired:
            asking.question = asking.question.in_words()
        return 0.0
    if failure.kind == "malformed":
        if asking.repaired:
            return None
        asking.repaired = True
        if failure.wrong is not None:
            asking.question = asking.question.repaired(failure.wrong)
            asking.way = "schema" if asking.schema else "words"
        return 0.0
    asking.failures += 1
    if not failure.again or asking.failures >= patience.attempts:
        return None
    return pause_before(asking.failures, failure.rest, random.random())  # noqa: S311 - jitter


def _error(opened: Opened, asking: _Asking, failure: Failure) -> ModelError:
    kind = ModelUnavailable if failure.kind in AVAILABILITY else ModelError
    usage, late = asking.usage, failure.kind in ("late", "timeout")
    spent = Usage(
        model_calls=asking.answers,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=usage.cost or 0.0,
    )
    priced_all = asking.known and (usage.cost is not None or not asking.answers)
    return kind(
        f"{opened.name} {failure.told}",
        hint="try again, or choose a faster model" if late else None,
        kind=failure.kind,
        spent=spent if priced_all else None,
        rest=failure.rest,
    )


def _priced(opened: Opened, spent: ModelUsage) -> ModelUsage:
    return priced(spent, model=opened.model, provider=opened.provider, price=opened.price)


def _bound(chat: BaseChatModel, question: Question, way: _Way) -> Any:
    if question.tools:
        return chat.bind_tools([dict(tool) for tool in question.tools])
    if way == "words":
        return chat
    if way == "schema":
        return chat.bind(response_format=question.response_format())
    return chat.bind_tools([question.form()], tool_choice=question.schema_name)


def _read(opened: Opened, asking: _Asking, message: Any) -> Reply:
    asking.answers += 1
    asking.usage = asking.usage.plus(_priced(opened, read_usage(message)))
    question, usage = asking.question, asking.usage
    text, calls = read_reply(message)
    if question.schema is not None:
        data = read_data(question.schema, question.schema_name, text, calls)
        return Reply(text=text, model=opened.name, usage=usage, data=data)
    if calls and not question.tools:
        raise Malformed("it calls tools though none were offered")
    return Reply(text=text, model=opened.name, usage=usage, tool_calls=calls)
