"""Chat models behind OpenAI's protocol: its own service, and any server that speaks it."""

from __future__ import annotations

import asyncio
import importlib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from concertmaster.errors import ModelUnavailable
from concertmaster.models.spec import ModelSpec

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["OpenAIChat", "open_chat"]

_REASONING = re.compile(r"^(o\d|gpt-5)")


@dataclass(frozen=True)
class OpenAIChat:
    """An opened model with the connections that belong to it."""

    chat: BaseChatModel
    model: str
    clients: tuple[Any, Any]

    async def aclose(self) -> None:
        """Close its connections."""
        sync_client, async_client = self.clients
        sync_client.close()
        await async_client.aclose()


async def open_chat(spec: ModelSpec, key: str | None = None) -> OpenAIChat:
    """Return a client of the model; asks the server for a model's name if none was given.

    Args:
        spec: the model.
        key: the server's; by default what the environment holds.

    Raises:
        ConfigError: a key is needed and not set.
        ModelUnavailable: the server does not say what it serves.
    """
    key = key or spec.api_key()
    openai = await asyncio.to_thread(importlib.import_module, "openai")
    langchain_openai = await asyncio.to_thread(importlib.import_module, "langchain_openai")
    # A proxy that the environment names is no way to a server on this machine.
    trust_env = not spec.local
    clients = (
        openai.DefaultHttpxClient(trust_env=trust_env),
        openai.DefaultAsyncHttpxClient(trust_env=trust_env),
    )
    try:
        model = spec.model or await _served(openai, spec, key, clients[1])
        kind = langchain_openai.ChatOpenAI
        chat = (_by_schema(kind) if spec.structured == "schema" else kind)(
            model=model,
            base_url=spec.base_url,
            api_key=key,
            max_retries=0,
            # Reasoning models accept no temperature.
            temperature=None if _REASONING.match(model) else 0,
            use_responses_api=False,
            http_client=clients[0],
            http_async_client=clients[1],
        )
    except BaseException:
        clients[0].close()
        await clients[1].aclose()
        raise
    return OpenAIChat(chat, model, clients)


@cache
def _by_schema(kind: type[BaseChatModel]) -> type[BaseChatModel]:
    """Return a class that asks for data by a schema of the answer instead of a forced tool.

    Servers of small models accept `tool_choice` and do not heed it; a schema binds every token.
    """

    class BySchema(kind):  # type: ignore[valid-type, misc]
        def bind_tools(self, tools: Any, *, tool_choice: Any = None, **more: Any) -> Any:
            if not isinstance(tool_choice, str) or len(tools) != 1:
                return super().bind_tools(tools, tool_choice=tool_choice, **more)
            asked = tools[0]["function"]
            form = {"name": asked["name"], "schema": asked["parameters"], "strict": True}
            return self.bind(response_format={"type": "json_schema", "json_schema": form})

    return BySchema


async def _served(openai: Any, spec: ModelSpec, key: str, client: Any) -> str:
    asking = openai.AsyncOpenAI(
        base_url=spec.base_url, api_key=key, http_client=client, max_retries=0
    )
    try:
        listed = await asking.models.list()
        names = [str(model.id) for model in listed.data or ()]
    except Exception as error:
        raise ModelUnavailable(
            f"{spec.name} does not say which models it serves ({type(error).__name__})",
            hint="start the server, or name the model: URL#MODEL",
        ) from None
    if not names:
        raise ModelUnavailable(f"{spec.name} serves no model", hint="name one: URL#MODEL")
    return names[0]
