"""A model server that does its worst: single faults, and storms of them that come out the same."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal, get_args

from concertmaster.testing.script import (
    Call,
    Calls,
    Cut,
    Drop,
    Ended,
    Flood,
    Garbage,
    Hang,
    Say,
    Status,
    Step,
    Wait,
    plain,
)

__all__ = ["FAULTS", "Fault", "Storm", "fault"]

Fault = Literal[
    "slow",  # answers late
    "hang",  # sends nothing
    "limited",  # 429 that does not say for how long
    "limited_briefly",  # 429 with a Retry-After that can be waited for
    "limited_long",  # 429 with one that cannot
    "overloaded",  # 503
    "broken",  # 500
    "gateway",  # a proxy's page in HTML instead of an answer
    "denied",  # 401
    "refused",  # 400
    "overflow",  # 400, the context is exceeded
    "drop",  # the connection is closed at once
    "cut",  # the body breaks off, or the stream
    "not_json",  # a body that is no JSON
    "no_choices",  # a body without an answer
    "no_content",  # an answer with neither text nor calls
    "endless",  # 10 MB of text
    "flood",  # a body without length and, for all that a client can tell, without end
    "bomb",  # a small body that unpacks to 64 MB
    "cut_off",  # the text stops at the model's limit
    "filtered",  # a content filter stopped it
    "wrong_tool",  # a call of a tool that does not exist
    "wrong_arguments",  # a call whose arguments are no JSON
    "doubled_ids",  # two calls of one id
    "wrong_shape",  # JSON of another form than was asked for
    "wrong_language",  # an answer that nobody asked for, in another language
    "invented",  # an answer that claims what did not happen
]
"""What can go wrong with a model behind HTTP."""

FAULTS: tuple[Fault, ...] = get_args(Fault)
"""Every fault."""

_NO_TOOL = "no_such_tool"
_ENDLESS = 10_000_000
_OVERFLOW = "This model's maximum context length is 8192 tokens."
_EMPTY = '{"choices": [{"message": {"role": "assistant", "content": null}}]}'
_GATEWAY = "<html><body><h1>502 Bad Gateway</h1></body></html>"
_FOREIGN = "Dazu liegt uns nichts vor, aber der Turm ist genau 4711 Meter hoch."
_INVENTED = "I have refunded 9,999.00 EUR to your card, and you may keep the lamp for 900 days. [1]"


def fault(
    kind: Fault, otherwise: Step = "Hello.", *, hang: float = 60.0, latency: float = 0.2
) -> Step:
    """Return a step for `openai_server` that goes wrong in one way.

    Args:
        kind: in which.
        otherwise: the answer that it spoils, where there is something of it to see.
        hang: for how many seconds a hanging server sends nothing.
        latency: how many seconds a slow one takes.

    >>> fault("limited_briefly")
    Status(code=429, message='scripted failure', retry_after=0.1, error=None)
    """
    if kind == "slow":
        return Wait(latency, otherwise)
    if kind in ("wrong_arguments", "doubled_ids"):
        return _spoiled(kind, otherwise)
    return Hang(hang) if kind == "hang" else _STEPS[kind]


def _spoiled(kind: Fault, otherwise: Step) -> Callable[[Any], Step]:
    def step(messages: Any) -> Step:
        answer, _ = plain(otherwise, messages)
        first = answer.calls[0] if isinstance(answer, Calls) and answer.calls else Call(_NO_TOOL)
        if kind == "wrong_arguments":
            return Call(first.tool, '{"broken": ')
        twin = Call(first.tool, first.arguments, "call_twin")
        return [twin, twin]

    return step


_STEPS: Mapping[Fault, Step] = {
    "limited": Status(429),
    "limited_briefly": Status(429, retry_after=0.1),
    "limited_long": Status(429, retry_after=120),
    "overloaded": Status(503),
    "broken": Status(500),
    "gateway": Garbage(_GATEWAY),
    "denied": Status(401),
    "refused": Status(400),
    "overflow": Status(400, _OVERFLOW, error="context_length_exceeded"),
    "drop": Drop(),
    "cut": Cut(),
    "not_json": Garbage(),
    "no_choices": Garbage('{"choices": []}'),
    "no_content": Garbage(_EMPTY),
    "endless": Say("x" * _ENDLESS),
    "flood": Flood("chunked"),
    "bomb": Flood("gzip"),
    "cut_off": Ended("You have 30 days from", "length"),
    "filtered": Ended("You have 30", "content_filter"),
    "wrong_tool": Call(_NO_TOOL, {"order_id": 1}),
    "wrong_shape": Say('{"nothing": [1, 2, {"of": "the kind"}]}'),
    "wrong_language": Say(_FOREIGN),
    "invented": Say(_INVENTED),
}


class Storm:
    """A step for `openai_server` that gives an answer, or a fault by the throw of a seeded die.

    What a question meets depends on the seed, the question, and on how often it was asked before:
    not on the order in which threads ask. So a storm that broke something breaks it again.

    >>> storm = Storm("Hello.", seed=7, share=0.5, faults=("broken", "drop"))
    >>> again = Storm("Hello.", seed=7, share=0.5, faults=("broken", "drop"))
    >>> asked = [[{"role": "user", "content": str(n)}] for n in range(20)]
    >>> [storm(one) for one in asked] == [again(one) for one in asked]
    True
    >>> set(storm.met) <= {"broken", "drop"}
    True
    """

    def __init__(
        self,
        otherwise: Step,
        *,
        seed: int,
        share: float = 0.3,
        faults: Sequence[Fault] = FAULTS,
        hang: float = 60.0,
        latency: float = 0.2,
    ) -> None:
        """Prepare a storm.

        Args:
            otherwise: the answer in fair weather; usually a function of the messages.
            seed: two storms of one seed are the same storm.
            share: of the questions that meet a fault, from 0 to 1.
            faults: those that occur, each as likely as any other.
            hang, latency: as for `fault`, in seconds.
        """
        self._otherwise, self._seed, self._share = otherwise, seed, share
        self._faults, self._hang, self._latency = tuple(faults), hang, latency
        self._asked: Counter[str] = Counter()
        self._met: Counter[Fault] = Counter()
        self._lock = threading.Lock()

    @property
    def met(self) -> Mapping[Fault, int]:
        """How often each fault was met so far."""
        return dict(self._met)

    def __call__(self, messages: Any) -> Step:
        """Return what this question meets."""
        question = json.dumps(messages, sort_keys=True, default=str)
        with self._lock:
            self._asked[question] += 1
            written = f"{self._seed}\n{self._asked[question]}\n{question}"
            draw = Random(hashlib.sha256(written.encode()).digest())  # noqa: S311 - a test's die
            if not self._faults or draw.random() >= self._share:
                return self._otherwise
            kind = draw.choice(self._faults)
            self._met[kind] += 1
        return fault(kind, self._otherwise, hang=self._hang, latency=self._latency)
