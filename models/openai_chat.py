"""Chat models behind OpenAI's protocol: its own service, and any server that speaks it."""

from __future__ import annotations

import asyncio
import importlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.contracts import Usage
from concertmaster.contracts.failure import AVAILABILITY, UNUSABLE
from concertmaster.errors import ModelUnavailable
from concertmaster.models.bounded import clients as bounded_clients
from concertmaster.models.failure import read_failure
from concertmaster.models.spec import ModelSpec, handed_on

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["OpenAIChat", "open_chat"]

_LONGEST_NAME = 500
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
    clients = bounded_clients(openai, spec)
    try:
        model = spec.model or await _served(spec, key, clients[1])
        chat = langchain_openai.ChatOpenAI(
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


async def _served(spec: ModelSpec, key: str, client: Any) -> str:
    """Return the first model that a server lists, read as plain JSON: the list may be long."""
    try:
        answer = await client.get(
            f"{spec.base_url}/models", headers={"authorization": f"Bearer {key}"}
        )
        answer.raise_for_status()
        listed = _json(answer)
    except Exception as error:
        failure = read_failure(error, time.time())
        # Whatever the reason is: a server that cannot be opened cannot serve.
        told_of = failure.kind in AVAILABILITY | UNUSABLE
        raise ModelUnavailable(
            f"{spec.name} does not say which models it serves: it {failure.told}",
            hint="start the server, correct its URL, or name the model: URL#MODEL",
            kind=failure.kind if told_of else None,
            spent=Usage(),
            rest=failure.rest,
        ) from None
    entries = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        raise ModelUnavailable(
            f"{spec.name} does not say which models it serves: it answered something else",
            hint="is it an OpenAI-compatible server? correct its URL, or name the model: URL#MODEL",
        )
    names = [one["id"] for one in entries if isinstance(one, dict) and _is_name(one.get("id"))]
    if not names:
        raise ModelUnavailable(f"{spec.name} serves no model", hint="name one: URL#MODEL")
    if spec.local:
        # It was cleared as a model of this machine; what is handed on is none.
        names = [name for name in names if not handed_on(name)]
        if not names:
            raise ModelUnavailable(
                f"{spec.name} serves no model of this machine: it hands all of them on",
                hint="name one, which is then not cleared for restricted data: URL#MODEL",
            )
    return str(names[0])


def _json(answer: Any) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None


def _is_name(found: Any) -> bool:
    return isinstance(found, str) and 0 < len(found) <= _LONGEST_NAME
