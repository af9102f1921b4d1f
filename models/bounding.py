"""Bounding the replies of providers' own libraries, as far as they let us at their HTTP clients.

Those made on OpenAI's client and Ollama's take ours as a setting, Anthropic's afterwards. Of others
(Google, Bedrock and the rest) a reply is bounded only after it was read, by `read_reply`.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import Any

from concertmaster.models.bounded import clients, hooks
from concertmaster.models.spec import ModelSpec

__all__ = ["bound_afterwards", "bounded_settings"]

_LIKE_OPENAI = {"http_client", "http_async_client", "openai_api_base"}
_LIKE_OLLAMA = {"sync_client_kwargs", "async_client_kwargs"}


def bounded_settings(
    spec: ModelSpec, known: Collection[str], settings: dict[str, Any]
) -> tuple[Any, ...]:
    """Add to the settings of a provider's class what bounds its replies.

    Args:
        spec: the model.
        known: the settings that its class takes.
        settings: those that were declared; what is declared stays.

    Returns:
        The HTTP clients that were made, for whoever opened the model to close.
    """
    if _LIKE_OPENAI.issubset(known):
        made = clients(importlib.import_module("openai"), spec)
        settings["http_client"], settings["http_async_client"] = made
        return made
    if _LIKE_OLLAMA.issubset(known):
        for name, waits in (("sync_client_kwargs", False), ("async_client_kwargs", True)):
            given = settings.get(name) or {}
            bounds = hooks(spec.reply_bytes, "httpx", waits=waits)
            settings[name] = {"event_hooks": bounds, "follow_redirects": False, **given}
    return ()


def bound_afterwards(spec: ModelSpec, chat: Any) -> tuple[Any, ...]:
    """Give a model of Anthropic clients that bound its replies; leave any other as it is.

    Its class has no setting for them; its library's own clients can be copied with others.
    """
    if spec.provider != "anthropic" or not hasattr(chat, "_async_client"):
        return ()
    proxy = getattr(chat, "anthropic_proxy", None)
    made = clients(importlib.import_module("anthropic"), spec, proxy=proxy)
    for name, client in zip(("_client", "_async_client"), made, strict=True):
        chat.__dict__[name] = getattr(chat, name).with_options(http_client=client)
    return made
