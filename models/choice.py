"""A declared chat model, and the choice of one for a need, with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from concertmaster.contracts.failure import ModelFailure
from concertmaster.contracts.html import card, rows, short, visible
from concertmaster.contracts.model import PriceSpec
from concertmaster.models.completion import Opened
from concertmaster.models.prices import price_of
from concertmaster.models.spec import ModelSpec

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["Chat", "Choice", "opened_as"]


@dataclass(frozen=True)
class Chat:
    """A declared chat model; `instance` is a LangChain model that a program gave, if any.

    `missing` says what it lacks to be asked at all, such as a key.
    """

    spec: ModelSpec
    instance: BaseChatModel | None = field(default=None, repr=False, compare=False)
    missing: str | None = None

    @property
    def name(self) -> str:
        """What people and the trail call it."""
        return self.spec.name

    @cached_property
    def price(self) -> PriceSpec | None:
        """What it costs, None if nobody knows. Looked up once: price lists are slow to read."""
        if self.instance is None:
            return price_of(self.spec)
        given = opened_as(self.spec, self.instance)
        return price_of(self.spec, model=given.model, provider=given.provider)


@dataclass(frozen=True)
class Choice:
    """The model for a need, or None; and why. `others` are asked in order when it fails.

    `output` is how many tokens the answer is expected to have. `again` tells of no model whether
    there may be one in a moment, since one that would fit only rests.
    """

    model: Chat | None
    reason: str
    others: tuple[Chat, ...] = ()
    output: int = 500
    again: bool = False

    def __repr__(self) -> str:
        name = self.model.name if self.model else None
        return f"<Choice {name!r}: {self.reason!r}>"

    @property
    def kind(self) -> ModelFailure | None:
        """The kind of failure that having no model is; None where trying again may help."""
        return "unfit" if self.model is None and not self.again else None

    def _repr_html_(self) -> str:
        told = [("reason", short(self.reason))]
        told += [("then", visible(chat.name)) for chat in self.others]
        name = visible(self.model.name) if self.model else "no model"
        return card(f"<b>{name}</b>", rows(told))

    @property
    def price(self) -> PriceSpec | None:
        """What the model costs, None if nobody knows."""
        return self.model.price if self.model else None

    def each(self) -> tuple[Choice, ...]:
        """Return one choice a model, in the order in which they are asked."""
        if self.model is None:
            return ()
        later = tuple(
            Choice(chat, f"{chat.name} comes next of those that fit", output=self.output)
            for chat in self.others
        )
        return (Choice(self.model, self.reason, output=self.output), *later)


def opened_as(spec: ModelSpec, chat: BaseChatModel) -> Opened:
    """Return a chat model that a program gave, with the names by which it is known."""
    about = chat._get_ls_params() if hasattr(chat, "_get_ls_params") else {}
    own_server = getattr(chat, "openai_api_base", None)
    return Opened(
        chat=chat,
        name=spec.name,
        model=about.get("ls_model_name"),
        provider=None if own_server else about.get("ls_provider"),
        price=spec.price,
        structured=spec.structured,
    )
