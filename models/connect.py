"""Opening a declared model: the client that its place asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from concertmaster.models.providers import PROVIDERS
from concertmaster.models.spec import ModelSpec

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["Connected", "connect"]


class Connected(Protocol):
    """A LangChain chat model that is open, and the name its server knows it by."""

    @property
    def chat(self) -> BaseChatModel:
        """What is asked."""

    @property
    def model(self) -> str:
        """The server's name of the model."""

    async def aclose(self) -> None:
        """Close what belongs to it."""


async def connect(spec: ModelSpec) -> Connected:
    """Open a model: a file, a provider that LangChain knows, or an OpenAI-compatible server.

    Raises:
        ConfigError: a package, a file or a key is missing.
        ModelUnavailable: it cannot be opened.
    """
    if spec.provider == "gguf":
        from concertmaster.models.gguf import open_gguf

        return await open_gguf(spec)
    if spec.provider in PROVIDERS:
        from concertmaster.models.provider_chat import open_provider

        return await open_provider(spec)
    from concertmaster.models.openai_chat import open_chat

    return await open_chat(spec)
