"""The providers that LangChain's `init_chat_model` knows: their package, key and price list.

Written down here, so that a missing package or key is found and named without importing any of
them, LangChain included.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

__all__ = ["PROVIDERS", "Provider"]


@dataclass(frozen=True)
class Provider:
    """A provider of chat models.

    `module` is what is imported, `keys` the environment variables that may hold the key (none:
    it finds its credentials by itself or needs none), `prices` its name in the price list,
    `extra` the extra of Concertmaster that installs it.
    """

    module: str
    keys: tuple[str, ...] = ()
    prices: str | None = None
    extra: str | None = None

    @property
    def package(self) -> str:
        """What is installed with pip."""
        return self.module.partition(".")[0].replace("_", "-")

    @property
    def key(self) -> str | None:
        """The variable that holds the key: the first one that is set, else the usual one."""
        return next((k for k in self.keys if os.environ.get(k)), next(iter(self.keys), None))

    @property
    def install(self) -> str:
        """The command that installs what is missing."""
        if self.extra:
            return f"pip install 'concertmaster[{self.extra}]'"
        return f"pip install langchain {self.package}"

    def missing(self) -> tuple[str, ...]:
        """Return the packages that are not installed. Imports nothing."""
        needed = {"langchain": "langchain", self.package: self.module.partition(".")[0]}
        return tuple(package for package, module in needed.items() if find_spec(module) is None)


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider("langchain_anthropic", ("ANTHROPIC_API_KEY",), "anthropic", "anthropic"),
    "anthropic_bedrock": Provider("langchain_aws", (), "aws", "bedrock"),
    "azure_ai": Provider("langchain_azure_ai.chat_models", ("AZURE_AI_CREDENTIAL",), "azure"),
    "azure_openai": Provider("langchain_openai", ("AZURE_OPENAI_API_KEY",), "azure"),
    "baseten": Provider("langchain_baseten", ("BASETEN_API_KEY",), "baseten"),
    "bedrock": Provider("langchain_aws", (), "aws", "bedrock"),
    "bedrock_converse": Provider("langchain_aws", (), "aws", "bedrock"),
    "bedrock_mantle_anthropic": Provider("langchain_aws", (), "aws", "bedrock"),
    "bedrock_mantle_openai": Provider("langchain_aws", (), "aws", "bedrock"),
    "cohere": Provider("langchain_cohere", ("COHERE_API_KEY",), "cohere"),
    "deepseek": Provider("langchain_deepseek", ("DEEPSEEK_API_KEY",), "deepseek"),
    "fireworks": Provider("langchain_fireworks", ("FIREWORKS_API_KEY",), "fireworks"),
    "google_anthropic_vertex": Provider("langchain_google_vertexai.model_garden"),
    "google_genai": Provider(
        "langchain_google_genai", ("GOOGLE_API_KEY", "GEMINI_API_KEY"), "google", "google"
    ),
    "google_vertexai": Provider("langchain_google_vertexai", (), "google"),
    "groq": Provider("langchain_groq", ("GROQ_API_KEY",), "groq"),
    "huggingface": Provider("langchain_huggingface"),
    "ibm": Provider("langchain_ibm", ("WATSONX_APIKEY",)),
    "langsmith": Provider("langchain_openai", ("LANGSMITH_API_KEY",)),
    "litellm": Provider("langchain_litellm"),
    "meta": Provider("langchain_meta", (), "meta"),
    "mistralai": Provider("langchain_mistralai", ("MISTRAL_API_KEY",), "mistral"),
    "nvidia": Provider("langchain_nvidia_ai_endpoints", ("NVIDIA_API_KEY",)),
    "ollama": Provider("langchain_ollama", (), None, "ollama"),
    "openrouter": Provider("langchain_openrouter", ("OPENROUTER_API_KEY",), "openrouter"),
    "perplexity": Provider("langchain_perplexity", ("PPLX_API_KEY",), "perplexity"),
    "together": Provider("langchain_together", ("TOGETHER_API_KEY",), "together"),
    "upstage": Provider("langchain_upstage", ("UPSTAGE_API_KEY",)),
    "xai": Provider("langchain_xai", ("XAI_API_KEY",), "x-ai"),
}
"""By the name in front of the colon. `openai` is built in and needs none of this."""
