"""A LangChain chat model that replays a script."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from concertmaster.testing.script import (
    Answer,
    Call,
    Calls,
    Fail,
    Give,
    Say,
    Script,
    Step,
    answer_as_call,
    tokens,
)

__all__ = ["Prompt", "ScriptedModel"]


@dataclass(frozen=True)
class Prompt:
    """One question that the model got: messages, and what tools were offered with it."""

    messages: tuple[BaseMessage, ...]
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = None

    @property
    def text(self) -> str:
        """Everything that the model could read, offered tools included."""
        parts = [str(m.text) for m in self.messages]
        parts += [json.dumps(getattr(m, "tool_calls", []) or "") for m in self.messages]
        return "\n".join([*parts, json.dumps(self.tools)])


class ScriptedModel(BaseChatModel):
    """A chat model whose answers a test writes down beforehand.

    Steps are texts, mappings (structured data), exceptions (raised), `Call`s or lists of them,
    `Wait`, or functions of the messages that return a step.

    >>> model = ScriptedModel("Hello.", Call("look", {"order": 7}), otherwise="Enough.")
    >>> model.invoke("Hi").text, model.invoke("Look").tool_calls[0]["args"]
    ('Hello.', {'order': 7})
    >>> [prompt.messages[0].text for prompt in model.prompts]
    ['Hi', 'Look']
    """

    model_name: str = "scripted-model"
    _script: Script = PrivateAttr()
    _prompts: list[Prompt] = PrivateAttr(default_factory=list)

    def __init__(
        self, *steps: Step, otherwise: Step | None = None, model_name: str = "scripted-model"
    ) -> None:
        super().__init__(model_name=model_name)
        self._script = Script(steps, otherwise)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Every question so far, in order, those beyond the script's end included."""
        return tuple(self._prompts)

    @property
    def remaining(self) -> int:
        """How many steps were not used yet."""
        return self._script.remaining

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools that it is told of; the script decides what it calls."""
        offered = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=offered, tool_choice=tool_choice, **kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **given: Any
    ) -> ChatResult:
        prompt = self._recorded(messages, given)
        answer, seconds = self._script.next(messages)
        time.sleep(seconds)
        return _result(answer, prompt)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **given: Any
    ) -> ChatResult:
        prompt = self._recorded(messages, given)
        answer, seconds = self._script.next(messages)
        await asyncio.sleep(seconds)
        return _result(answer, prompt)

    def _recorded(self, messages: list[BaseMessage], given: dict[str, Any]) -> Prompt:
        prompt = Prompt(tuple(messages), tuple(given.get("tools", ())), given.get("tool_choice"))
        self._prompts.append(prompt)
        return prompt


def _result(answer: Answer, prompt: Prompt) -> ChatResult:
    if isinstance(answer, Fail):
        raise answer.error
    if isinstance(answer, Give):
        call = answer_as_call(answer, prompt.tools, prompt.tool_choice)
        answer = Calls((call,)) if call else Say(json.dumps(answer.data))
    if isinstance(answer, Say):
        answer = Calls((), answer.text)
    if not isinstance(answer, Calls):
        raise TypeError(f"{type(answer).__name__} is a step for openai_server, not for a model")
    message = _message(answer, prompt)
    return ChatResult(generations=[ChatGeneration(message=message)])


def _message(answer: Calls, prompt: Prompt) -> AIMessage:
    good, broken = [], []
    for number, call in enumerate(answer.calls):
        arguments, id_ = _arguments(call), call.id or f"call_{number}"
        if arguments is None:
            broken.append(
                invalid_tool_call(name=call.tool, args=call.written(), id=id_, error="no JSON")
            )
        else:
            good.append(tool_call(name=call.tool, args=arguments, id=id_))
    read = tokens(prompt.text)
    written = tokens(answer.text) + sum(tokens(c.written()) for c in answer.calls)
    return AIMessage(
        content=answer.text,
        tool_calls=good,
        invalid_tool_calls=broken,
        usage_metadata=UsageMetadata(
            input_tokens=read, output_tokens=written, total_tokens=read + written
        ),
    )


def _arguments(call: Call) -> dict[str, Any] | None:
    if not isinstance(call.arguments, str):
        return dict(call.arguments)
    try:
        parsed = json.loads(call.arguments)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
