"""The chat models of a run: which one serves a need, and why; asking it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakKeyDictionary

from concertmaster.contracts.model import ModelsFile
from concertmaster.contracts.steps import ModelNeed
from concertmaster.errors import ConfigError, ModelError, ModelUnavailable
from concertmaster.models.choice import Chat, Choice, opened_as
from concertmaster.models.completion import Opened, Patience, Question, ask
from concertmaster.models.connect import Connected, connect
from concertmaster.models.counting import estimate
from concertmaster.models.lack import lack_of
from concertmaster.models.limits import Limits, Place
from concertmaster.models.made import made_by
from concertmaster.models.reply import ModelUsage, Reply, ToolCall
from concertmaster.models.requirement import Requirement, required
from concertmaster.models.router import Call, Catalogue, Ranking, rank
from concertmaster.models.spec import ModelSpec, declared, parse_model
from concertmaster.models.standing import Standings

if TYPE_CHECKING:
    pass

__all__ = [
    "Call",
    "Chat",
    "Choice",
    "ModelSpec",
    "ModelUsage",
    "Models",
    "Reply",
    "ToolCall",
    "declared",
    "parse_model",
]


@dataclass(frozen=True)
class _Connections:
    """What was opened on one event loop; each model is opened once."""

    open: dict[str, Connected] = field(default_factory=dict)
    opening: dict[str, asyncio.Lock] = field(default_factory=dict)


class Models:
    """The declared models in order of preference.

    >>> Models.of(None).choose(ModelNeed(need="chat")).reason
    'no model is configured'
    """

    def __init__(
        self,
        chats: Sequence[Chat] = (),
        file: ModelsFile | None = None,
        standings: Standings | None = None,
    ) -> None:
        names = [chat.name for chat in chats]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ConfigError(
                f"two models are named {sorted(twice)[0]!r}", hint="give one of them another name"
            )
        self.chats = tuple(chats)
        self.rules = file.rules if file else ()
        self.standings = standings or Standings()
        self.limits = Limits()
        self._named = {chat.name: chat for chat in self.chats}
        self._missing = {c.spec.key: c.missing for c in self.chats if c.missing is not None}
        self._catalogue = Catalogue(
            [chat.spec for chat in self.chats], lambda spec: self._named[spec.name].price
        )
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections]
        self._loops = WeakKeyDictionary()

    @classmethod
    def of(
        cls,
        model: Any = None,
        file: ModelsFile | None = None,
        *,
        folder: Path | None = None,
        makers: Mapping[str, Callable[[], Any]] = MappingProxyType({}),
    ) -> Self:
        """Return the models that a caller names, else those that a workspace declares.

        Args:
            file: the workspace's; its rules count for any models.
            folder: the workspace's, from which the paths of files are counted.
            makers: functions of the workspace that return chat models, by `module:function`.
            model: None; `PROVIDER:NAME`, a URL or a `.gguf` file; a `ModelSpec`; a LangChain chat
                model; a pair of spec and chat model; `Models`; or a list of these.

        Raises:
            ConfigError: it names no model, or a key is needed and not set.
        """
        if isinstance(model, cls):
            return model
        chats = _chats(model)
        if model is None and file is not None:
            specs = [declared(entry, folder) for entry in file.models]
            chats = tuple(_of_file(spec, makers) for spec in specs)
        return cls(chats, file)

    @property
    def configured(self) -> bool:
        """Whether there is any model."""
        return bool(self.chats)

    def choose(
        self,
        need: ModelNeed | Literal["none"] | None,
        call: Call | None = None,
        known: Mapping[str, Any] | None = None,
    ) -> Choice:
        """Return the best of the models that fit, with the reason in words, and the next best.

        Args:
            need: what the step declares.
            call: what is about to be asked; see `router.Call`.
            known: what the conditions of rules refer to; see `requirement.FIELDS`.
        """
        if need is None or need == "none":
            return Choice(None, "the step declares no model")
        if not self.chats:
            return Choice(None, "no model is configured")
        ranking = self.ranking(need, call, known)
        if not ranking.fitting:
            awake = self._ranking(need, call, known, self._missing)
            return Choice(None, ranking.why, again=bool(awake.fitting))
        first, *later = (self._named[one.spec.name] for one in ranking.fitting)
        return Choice(first, ranking.why, tuple(later), need.output)

    def ranking(
        self,
        need: ModelNeed,
        call: Call | None = None,
        known: Mapping[str, Any] | None = None,
    ) -> Ranking:
        """Rank the models for a need as they are doing now; see `choose`."""
        return self._ranking(need, call, known, self._blocked())

    def _ranking(
        self,
        need: ModelNeed,
        call: Call | None,
        known: Mapping[str, Any] | None,
        blocked: Mapping[str, str],
    ) -> Ranking:
        needed = required(need, self.rules, known or {})
        return rank(
            self._catalogue,
            needed,
            call or Call(output=need.output),
            blocked=blocked,
            latencies=self.standings.latencies,
        )

    def able(self, need: ModelNeed) -> Ranking:
        """Rank the models by what is declared alone, as if all of them worked and no rule held."""
        return rank(self._catalogue, Requirement.of(need), Call(tokens=0, output=0))

    def _blocked(self) -> dict[str, str]:
        """Return why models cannot be asked just now, by key."""
        blocked = dict(self._missing)
        for key in self.standings.disturbed:
            resting = self.standings.resting(key)
            if resting is not None:
                blocked[key] = f"failed lately and rests for {resting:.0f} s more"
        return blocked

    async def complete(
        self,
        choice: Choice,
        messages: Any,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        schema: Mapping[str, Any] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 - covers all attempts and says so in words
        wait: bool = True,
    ) -> Reply:
        """Ask the chosen model and return its checked reply.

        Args:
            choice: what `choose` returned.
            messages: LangChain messages, or their usual shorthands.
            tools: functions in OpenAI's form. Names and arguments of the calls that come back
                are as the model wrote them: whoever runs them checks.
            schema: JSON Schema of an object; the reply's `data` satisfies it.
            timeout: seconds, for all attempts.
            wait: where the model's rate is reached, wait for a place in that time.

        Raises:
            ModelUnavailable: there is no model, or it cannot serve at present.
            ModelError: it failed, took too long, or answered what cannot be used; or its rate is
                reached. `kind` says which.
        """
        if choice.model is None:
            raise ModelUnavailable(choice.reason, kind=choice.kind)
        if tools and schema is not None:
            raise ModelError("a model is asked either for tool calls or for structured data")
        question = Question(messages=messages, tools=tuple(tools or ()), schema=schema)
        chat, deadline = choice.model, time.monotonic() + timeout
        tokens = _expected(question, choice) if chat.spec.rate.tokens_per_minute else 0
        place = self.limits.place(
            chat.spec.key, chat.name, chat.spec.rate, tokens, patience=timeout if wait else 0.0
        )
        async with place as held:
            reply = await self._measured(chat, question, deadline, held)
            held.used = reply.usage.input_tokens + reply.usage.output_tokens
        return reply

    async def aclose(self) -> None:
        """Close the connections that were opened on this event loop."""
        here = self._loops.pop(asyncio.get_running_loop(), None)
        for opened in here.open.values() if here else ():
            await opened.aclose()

    async def _measured(
        self, chat: Chat, question: Question, deadline: float, place: Place
    ) -> Reply:
        """Ask a model unless it rests, and note how it did."""
        key, spec = chat.spec.key, chat.spec
        if not self.standings.admit(key):
            rest = self.standings.resting(key)
            raise ModelUnavailable(
                f"{chat.name} failed lately and rests", kind="resting", rest=rest
            )
        started = time.monotonic()
        try:
            opened = await self._opened(chat, deadline - started)
            patience = Patience(
                seconds=max(deadline - time.monotonic(), 0.0),
                timeout=spec.timeout,
                attempts=spec.attempts,
                expected=self.standings.latencies.get(key, spec.latency),
            )
            reply = await ask(opened, question, patience, sending=place.send)
        except BaseException as error:
            self.standings.ended(key, error)
            raise
        self.standings.worked(key, time.monotonic() - started)
        return reply

    async def _opened(self, chat: Chat, seconds: float) -> Opened:
        if chat.instance is not None:
            return opened_as(chat.spec, chat.instance)
        # Connections belong to the event loop on which they were opened.
        here = self._loops.setdefault(asyncio.get_running_loop(), _Connections())
        # A server that does not say what it serves holds up nobody who asks another one.
        opening = here.opening.setdefault(chat.name, asyncio.Lock())
        try:
            async with asyncio.timeout(seconds), opening:
                if chat.name not in here.open:
                    here.open[chat.name] = await connect(chat.spec)
        except TimeoutError:
            message = f"{chat.name} did not answer within {seconds:.2g} s"
            fair = Patience(seconds=seconds, timeout=chat.spec.timeout).fair(seconds)
            raise ModelUnavailable(message, kind="timeout" if fair else "late") from None
        except ConfigError as error:
            raise ModelUnavailable(error.message, hint=error.hint, kind="denied") from None
        known = here.open[chat.name]
        return Opened(
            chat=known.chat,
            name=chat.name,
            model=known.model,
            provider=chat.spec.listed,
            price=chat.spec.price,
            structured=chat.spec.structured,
        )


def _expected(question: Question, choice: Choice) -> int:
    """Return the tokens that a question and its answer are expected to take."""
    messages = question.messages
    if not isinstance(messages, list | tuple) or not all(isinstance(m, dict) for m in messages):
        messages = [{"content": str(messages)}]
    return estimate(messages, question.tools, question.schema) + choice.output


def _chats(model: Any) -> tuple[Chat, ...]:
    if model is None:
        return ()
    if isinstance(model, Models):
        return model.chats
    if isinstance(model, str):
        model = parse_model(model)
    if isinstance(model, ModelSpec):
        lack = lack_of(model)
        if lack is not None:
            raise ConfigError(f"{model.name} {lack.what}", hint=lack.fix)
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
        hint="give PROVIDER:NAME, a URL, or a LangChain chat model",
    )


def _of_file(spec: ModelSpec, makers: Mapping[str, Callable[[], Any]]) -> Chat:
    lack = lack_of(spec)
    if lack is not None:
        return Chat(spec, missing=lack.what)
    if spec.provider != "workspace":
        return Chat(spec)
    made, wrong = made_by(spec, makers)
    return Chat(spec, made, wrong)


def _name_of(model: Any) -> str:
    for attribute in ("model_name", "model", "name"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__
