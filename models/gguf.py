"""A GGUF file as a model: llama.cpp in this process, asked over HTTP on the loopback.

A file is loaded once in a process, whoever asks, and let go when nobody does any more. The server
listens on a port of its own with a key that only this process knows.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import secrets
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from concertmaster.errors import ConfigError, ModelUnavailable
from concertmaster.models.lack import lack_of
from concertmaster.models.openai_chat import OpenAIChat, open_chat
from concertmaster.models.spec import ModelSpec

__all__ = ["ANSWER", "CONTEXT", "GGUFChat", "open_gguf"]

CONTEXT = 4096
"""How many tokens a model holds if nothing is declared."""

ANSWER = 1024
"""How many tokens it writes at most if nothing is declared; some never end by themselves."""

_OPTIONS = frozenset({"threads"})


@dataclass(frozen=True)
class _Served:
    """A running server. It ends when nothing refers to it any more."""

    url: str
    key: str
    server: Any


@dataclass
class _Held:
    """A server that runs or starts, and how many use it."""

    loading: Future[_Served]
    users: int = 0


_lock = threading.Lock()
_held: dict[tuple[str, int, int, int], _Held] = {}


@dataclass(frozen=True)
class GGUFChat:
    """An opened model with its place at the server."""

    inner: OpenAIChat
    place: tuple[str, int, int, int]

    @property
    def chat(self) -> Any:
        """The LangChain chat model."""
        return self.inner.chat

    @property
    def model(self) -> str:
        """The name under which it is served."""
        return self.inner.model

    async def aclose(self) -> None:
        """Close the connections, and the server after its last user."""
        await self.inner.aclose()
        await asyncio.to_thread(_let_go, self.place)


async def open_gguf(spec: ModelSpec) -> GGUFChat:
    """Load a file, or wait until it is loaded, and return a client of it.

    Raises:
        ConfigError: the package or the file is missing, or an option is unknown.
        ModelUnavailable: the file cannot be loaded.
    """
    lack = lack_of(spec)
    if lack is not None:
        raise ConfigError(f"{spec.name} {lack.what}", hint=lack.fix)
    place = _place(spec)
    held = _hold(place)
    try:
        # Whoever gives up waiting does not stop the loading: the next one finds it done.
        served = await asyncio.shield(asyncio.wrap_future(held.loading))
        client = await open_chat(_client(spec, served), key=served.key)
    except BaseException as error:
        _let_go(place)
        if isinstance(error, _NotLoaded):
            raise ModelUnavailable(
                f"{spec.name} cannot be loaded: llama.cpp does not take the file",
                hint="is the file whole, is there memory for it and for its 'context'?",
            ) from None
        raise
    return GGUFChat(client, place)


class _NotLoaded(Exception):
    """The library refused the file."""


def _place(spec: ModelSpec) -> tuple[str, int, int, int]:
    unknown = sorted(set(spec.options) - _OPTIONS)
    if unknown:
        raise ConfigError(
            f"{spec.name}: a GGUF file has no option {unknown[0]!r}",
            hint=f"known are {', '.join(sorted(_OPTIONS))}",
        )
    # Threads wait for each other at every layer, which takes ages where other work has the cores.
    usual = max(1, (os.cpu_count() or 2) // 2)
    threads = int(spec.options.get("threads") or usual)
    path = os.path.realpath(spec.model or "")
    return path, spec.context or CONTEXT, threads, spec.output or ANSWER


def _client(spec: ModelSpec, served: _Served) -> ModelSpec:
    changes = {"base_url": f"{served.url}/v1", "model": spec.name}
    return spec.model_copy(update=changes)


def _hold(place: tuple[str, int, int, int]) -> _Held:
    with _lock:
        held = _held.get(place)
        # A loading that failed is tried again: there may be memory for it by now.
        if held is None or (held.loading.done() and held.loading.exception() is not None):
            held = _held[place] = _Held(Future())
            threading.Thread(target=_load, args=(place, held.loading), daemon=True).start()
        held.users += 1
        return held


def _let_go(place: tuple[str, int, int, int]) -> None:
    with _lock:
        held = _held.get(place)
        if held is None:
            return
        held.users -= 1
        # One that is still loading stays for whoever asks next.
        gone = _held.pop(place) if held.users <= 0 and held.loading.done() else None
    del gone, held


def _load(place: tuple[str, int, int, int], loading: Future[_Served]) -> None:
    try:
        loading.set_result(_started(place))
    except Exception:
        loading.set_exception(_NotLoaded())


def _started(place: tuple[str, int, int, int]) -> _Served:
    library = importlib.import_module("xllamacpp")
    path, context, threads, answer = place
    key = secrets.token_urlsafe(24)
    params = library.CommonParams()
    params.model.path = path
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.n_ctx, params.n_predict = context, answer
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = 0
    params.ui = params.endpoint_slots = params.endpoint_props = False
    server = library.Server(params)
    return _Served(server.listening_address, key, server)
