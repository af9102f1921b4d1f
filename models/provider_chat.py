"""Chat models of any provider that LangChain knows, made by its own `init_chat_model`."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.errors import ConfigError, ModelUnavailable
from concertmaster.models.bounding import bound_afterwards, bounded_settings
from concertmaster.models.lack import lack_of
from concertmaster.models.providers import PROVIDERS
from concertmaster.models.spec import ModelSpec

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["ProviderChat", "open_provider"]


@dataclass(frozen=True)
class ProviderChat:
    """An opened model; what else it holds open its library closes with its clients."""

    chat: BaseChatModel
    model: str
    clients: tuple[Any, ...] = ()

    async def aclose(self) -> None:
        """Close the connections that were made for it."""
        for client in self.clients:
            if hasattr(client, "aclose"):
                await client.aclose()
            else:
                client.close()


async def open_provider(spec: ModelSpec) -> ProviderChat:
    """Return a client of the model.

    Raises:
        ConfigError: a package or a key is missing.
        ModelUnavailable: the provider's library refuses the model or its options.
    """
    lack = lack_of(spec)
    if lack is not None:
        raise ConfigError(f"{spec.name} {lack.what}", hint=lack.fix)
    try:
        chat, clients = await asyncio.to_thread(_made, spec)
    except Exception as error:
        # Its words may hold the key.
        raise ModelUnavailable(
            f"{spec.name} cannot be made: {spec.provider}'s library raised {type(error).__name__}",
            hint="look at its options and credentials; `concertmaster models test` asks it",
        ) from None
    return ProviderChat(chat, spec.model or "", clients)


def _made(spec: ModelSpec) -> tuple[BaseChatModel, tuple[Any, ...]]:
    init_chat_model = importlib.import_module("langchain.chat_models").init_chat_model
    settings: dict[str, Any] = dict(spec.options)
    known = _fields(spec)
    if "max_retries" in known:
        # Attempts are counted here, where the time and the budget are known.
        settings.setdefault("max_retries", 0)
    if spec.output is not None and "max_tokens" in known:
        settings.setdefault("max_tokens", spec.output)
    if spec.own_key and "api_key" in known:
        settings["api_key"] = spec.api_key()
    clients = bounded_settings(spec, known, settings)
    made: BaseChatModel = init_chat_model(spec.model, model_provider=spec.provider, **settings)
    return made, clients or bound_afterwards(spec, made)


def _fields(spec: ModelSpec) -> frozenset[str]:
    """Return the settings that the provider's class takes, by name and alias."""
    base = importlib.import_module("langchain.chat_models.base")
    known = getattr(base, "_BUILTIN_PROVIDERS", {}).get(spec.provider)
    if known is None:
        return frozenset({"api_key"})
    module = importlib.import_module(PROVIDERS[spec.provider].module)
    fields = getattr(module, known[1]).model_fields
    return frozenset(fields) | {f.alias for f in fields.values() if isinstance(f.alias, str)}
