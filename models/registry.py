"""The chat models of a run: which one serves a need, and why; asking it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakKeyDictionary

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ConfigError, ModelError, ModelUnavailable
from concertmaster.models.completion import Opened, Question, ask
from concertmaster.models.openai_chat import OpenAIChat, open_chat
from concertmaster.models.reply import ModelUsage, Reply, ToolCall
from concertmaster.models.spec import ModelSpec, parse_model

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = [
    "Chat",
    "Choice",
    "ModelSpec",
    "ModelUsage",
    "Models",
    "Reply",
    "ToolCall",
    "parse_model",
]

_TIERS = ("small", "capable", "best")


@dataclass(frozen=True)
class Chat:
    """A declared chat model; `instance` is a LangChain model that a program gave, if any."""

    spec: ModelSpec
    instance: BaseChatModel | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What people and the trail call it."""
        return self.spec.name


@dataclass(frozen=True)
class Choice:
    """The model for a need, or None; and why."""

    model: Chat | None
    reason: str


@dataclass(frozen=True)
class _Connections:
    """What was opened on one event loop; one model is opened at a time."""

    open: dict[str, OpenAIChat] = field(default_factory=dict)
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class Models:
    """The declared models in order of preference.

    >>> Models.of(None).choose(ModelNeed(need="chat")).reason
    'no model is configured'
    """

    def __init__(self, chats: Sequence[Chat] = ()) -> None:
        names = [chat.name for chat in chats]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ConfigError(f"two models are named {sorted(twice)[0]!r}")
        self.chats = tuple(chats)
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections]
        self._loops = WeakKeyDictionary()

    @classmethod
    def of(cls, model: Any = None) -> Self:
        """Return the models that a caller names.

        Args:
            model: None; `openai:NAME` or a URL; a `ModelSpec`; a LangChain chat model; a pair of
                spec and chat model; `Models`; or a list of these.

        Raises:
            ConfigError: it names no model, or a key is needed and not set.
        """
        if isinstance(model, cls):
            return model
        return cls(_chats(model))

    @property
    def configured(self) -> bool:
        """Whether there is any model."""
        return bool(self.chats)

    def choose(self, need: ModelNeed | Literal["none"] | None) -> Choice:
        """Return the first of the smallest sufficient models, with the reason in words. Pure."""
        if need is None or need == "none":
            return Choice(None, "the step declares no model")
        if not self.chats:
            return Choice(None, "no model is configured")
        passed = {c.name: why for c in self.chats if (why := _unfit(c.spec, need))}
        fitting = [c for c in self.chats if c.name not in passed]
        listed = "; ".join(f"{name} {why}" for name, why in passed.items())
        if not fitting:
            return Choice(None, f"no configured model fits: {listed}")
        chosen = min(fitting, key=lambda c: _TIERS.index(c.spec.tier))
        reason = (
            f"{chosen.name} serves {need.need}: its tier {chosen.spec.tier} meets {need.tier},"
            f" its clearance {chosen.spec.clearance.name} meets {need.clearance}"
        )
        return Choice(chosen, f"{reason}; passed over: {listed}" if listed else reason)

    async def complete(
        self,
        choice: Choice,
        messages: Any,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        schema: Mapping[str, Any] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 - covers both attempts and says so in words
    ) -> Reply:
        """Ask the chosen model and return its checked reply.

        Args:
            choice: what `choose` returned.
            messages: LangChain messages, or their usual shorthands.
            tools: functions in OpenAI's form. Names and arguments of the calls that come back
                are as the model wrote them: whoever runs them checks.
            schema: JSON Schema of an object; the reply's `data` satisfies it.
            timeout: seconds, for all attempts.

        Raises:
            ModelUnavailable: there is no model, or it cannot be reached.
            ModelError: it failed, took too long, or answered what cannot be used.
        """
        if choice.model is None:
            raise ModelUnavailable(choice.reason)
        if tools and schema is not None:
            raise ModelError("a model is asked either for tool calls or for structured data")
        question = Question(messages=messages, tools=tuple(tools or ()), schema=schema)
        return await ask(await self._opened(choice.model, timeout), question, timeout)

    async def aclose(self) -> None:
        """Close the connections that were opened on this event loop."""
        here = self._loops.pop(asyncio.get_running_loop(), None)
        for opened in here.open.values() if here else ():
            await opened.aclose()

    async def _opened(self, chat: Chat, seconds: float) -> Opened:
        if chat.instance is not None:
            return _given(chat.spec, chat.instance)
        # Connections belong to the event loop on which they were opened.
        here = self._loops.setdefault(asyncio.get_running_loop(), _Connections())
        try:
            async with asyncio.timeout(seconds), here.opening:
                if chat.name not in here.open:
                    here.open[chat.name] = await open_chat(chat.spec)
        except TimeoutError:
            raise ModelUnavailable(f"{chat.name} did not answer within {seconds:g} s") from None
        except ConfigError as error:
            raise ModelUnavailable(error.message, hint=error.hint) from None
        known = here.open[chat.name]
        priced_by = "openai" if chat.spec.base_url is None else None
        return Opened(chat=known.chat, name=chat.name, model=known.model, provider=priced_by)


def _unfit(spec: ModelSpec, need: ModelNeed) -> str | None:
    if need.need not in spec.capabilities:
        return f"is not declared for {need.need}"
    if spec.clearance < Confidentiality[need.clearance]:
        return f"is cleared for {spec.clearance.name} data, not for {need.clearance}"
    if _TIERS.index(spec.tier) < _TIERS.index(need.tier):
        return f"is of tier {spec.tier}, below {need.tier}"
    return None


def _chats(model: Any) -> tuple[Chat, ...]:
    if model is None:
        return ()
    if isinstance(model, Models):
        return model.chats
    if isinstance(model, str):
        model = parse_model(model)
    if isinstance(model, ModelSpec):
        model.api_key()
        return (Chat(model),)
    if isinstance(model, tuple) and len(model) == 2 and isinstance(model[0], ModelSpec):
        return (Chat(model[0], model[1]),)
    if hasattr(model, "ainvoke") and hasattr(model, "bind_tools"):
        # The program chose it, so its tier satisfies every need; its clearance does not.
        return (Chat(ModelSpec(name=_name_of(model), provider="program", tier="best"), model),)
    if isinstance(model, list | tuple):
        return tuple(chat for one in model for chat in _chats(one))
    raise ConfigError(
        f"a {type(model).__name__} is no chat model",
        hint="give openai:NAME, a URL, or a LangChain chat model",
    )


def _name_of(model: Any) -> str:
    for attribute in ("model_name", "model", "name"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__


def _given(spec: ModelSpec, chat: BaseChatModel) -> Opened:
    about = chat._get_ls_params() if hasattr(chat, "_get_ls_params") else {}
    own_server = getattr(chat, "openai_api_base", None)
    return Opened(
        chat=chat,
        name=spec.name,
        model=about.get("ls_model_name"),
        provider=None if own_server else about.get("ls_provider"),
    )
