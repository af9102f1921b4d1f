"""What a scripted model answers, one step for each question."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from concertmaster.errors import ModelError

__all__ = [
    "Answer",
    "Call",
    "Calls",
    "Cut",
    "Drop",
    "Ended",
    "Fail",
    "Flood",
    "Garbage",
    "Give",
    "Hang",
    "Say",
    "Script",
    "ScriptExhausted",
    "Status",
    "Step",
    "Wait",
    "answer_as_call",
    "plain",
    "tokens",
]


class ScriptExhausted(ModelError):
    """A scripted model was asked once more than its script has steps."""


@dataclass(frozen=True)
class Say:
    """Answer with this text."""

    text: str


@dataclass(frozen=True)
class Call:
    """Call a tool. Arguments that are a string are sent as they are: broken JSON, for instance."""

    tool: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None

    def written(self) -> str:
        """Return the arguments as a server sends them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Calls:
    """Call several tools at once, perhaps with a text."""

    calls: tuple[Call, ...]
    text: str = ""


@dataclass(frozen=True)
class Give:
    """Answer with structured data: through the tool that is asked for, as JSON text otherwise."""

    data: Mapping[str, Any]


@dataclass(frozen=True)
class Fail:
    """Raise this error."""

    error: Exception


@dataclass(frozen=True)
class Wait:
    """Wait so many seconds, then go on with another step."""

    seconds: float
    then: Step


@dataclass(frozen=True)
class Status:
    """Answer with an HTTP error; a server only.

    `retry_after` becomes the header, in seconds or as a date; `error` the code in the body.
    """

    code: int
    message: str = "scripted failure"
    retry_after: float | str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Hang:
    """Send nothing for so many seconds, then close; a server only."""

    seconds: float = 60.0


@dataclass(frozen=True)
class Drop:
    """Close the connection: at once, or in the middle of a stream; a server only."""


@dataclass(frozen=True)
class Garbage:
    """Answer with status 200 and this body; a server only."""

    body: str = '{"choices": ['


@dataclass(frozen=True)
class Cut:
    """Announce a whole answer with this text, send half of its bytes, close; a server only."""

    text: str = "This is an answer of which only the beginning arrives."


@dataclass(frozen=True)
class Ended:
    """Answer with this text and another reason for its end than `stop`; a server only."""

    text: str
    reason: str = "length"


@dataclass(frozen=True)
class Flood:
    """Send a body of so many bytes, far more than anybody reads; a server only.

    `plain` announces its length, `short` a much smaller one. `chunked` breaks off without an end,
    `until_closed` ends with the connection. `gzip` is small until it is unpacked. `headers` come
    instead of a body.
    """

    way: Literal["plain", "short", "chunked", "until_closed", "gzip", "headers"] = "chunked"
    size: int = 64 * 2**20
    status: int = 200


Answer = Say | Calls | Give | Fail | Status | Hang | Drop | Garbage | Cut | Ended | Flood
"""A step brought into its plain form; waiting is told apart."""

Step: TypeAlias = (
    "str | Mapping[str, Any] | Exception | type[Exception] | Call | Sequence[Call] | Wait | Answer"
    " | Callable[[Any], Step]"
)
"""A text, a mapping (`Give`), an exception (`Fail`), calls, one of the classes here, or a function
that takes the messages and returns a step."""


class Script:
    """Steps in order; once they have run out, `otherwise` answers every further question."""

    def __init__(self, steps: Sequence[Step], otherwise: Step | None = None) -> None:
        self._steps = list(steps)
        self._otherwise = otherwise
        self._lock = threading.Lock()
        self.asked = 0

    @property
    def remaining(self) -> int:
        """How many steps were not used yet."""
        return max(len(self._steps) - self.asked, 0)

    def next(self, messages: Any) -> tuple[Answer, float]:
        """Return the answer to the next question and the seconds to wait before it.

        Raises:
            ScriptExhausted: the script has no further step.
        """
        with self._lock:
            number = self.asked
            self.asked += 1
        if number < len(self._steps):
            step = self._steps[number]
        elif self._otherwise is not None:
            step = self._otherwise
        else:
            raise ScriptExhausted(
                f"the script has {len(self._steps)} steps, and this is question {number + 1}",
                hint="add a step, or give otherwise=… for every further question",
            )
        return plain(step, messages)


def plain(step: Step, messages: Any) -> tuple[Answer, float]:
    """Return the answer that a step stands for, and the seconds to wait before it."""
    waited = 0.0
    while True:
        if isinstance(step, Wait):
            waited, step = waited + step.seconds, step.then
        elif callable(step) and not isinstance(step, type):
            step = step(messages)
        else:
            return _answer(step), waited


def _answer(step: Any) -> Answer:
    if isinstance(step, Answer):
        return step
    if isinstance(step, str):
        return Say(step)
    if isinstance(step, Exception):
        return Fail(step)
    if isinstance(step, type) and issubclass(step, Exception):
        return Fail(step())
    if isinstance(step, Call):
        return Calls((step,))
    if isinstance(step, Mapping):
        return Give(step)
    if isinstance(step, Sequence) and step and all(isinstance(s, Call) for s in step):
        return Calls(tuple(step))
    raise TypeError(f"a {type(step).__name__} is no step of a script")


def answer_as_call(give: Give, tools: Sequence[Any], tool_choice: Any) -> Call | None:
    """Return structured data as the tool call that was asked for, or None for plain text.

    `tools` and `tool_choice` are in OpenAI's form.
    """
    names = [tool.get("function", {}).get("name") for tool in tools]
    if isinstance(tool_choice, Mapping):
        wanted = tool_choice.get("function", {}).get("name")
    elif tool_choice in ("any", "required", True) and len(names) == 1:
        wanted = names[0]
    else:
        wanted = tool_choice
    return Call(wanted, give.data) if wanted in names else None


def tokens(text: str) -> int:
    """Return a made-up but steady number of tokens: the words."""
    return len(text.split())
