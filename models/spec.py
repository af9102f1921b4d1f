"""What is declared of a chat model, and how a person names one: `openai:NAME`, a URL, a file, …"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field

from concertmaster.contracts import Confidentiality, Record
from concertmaster.contracts.model import (
    REPLY_BYTES,
    Ability,
    ModelEntry,
    PriceSpec,
    RateSpec,
    Structured,
    Tier,
)
from concertmaster.errors import ConfigError
from concertmaster.models.providers import PROVIDERS

__all__ = ["ModelSpec", "declared", "handed_on", "parse_model"]

_KEY = "OPENAI_API_KEY"
_OWN_KEY = "CONCERTMASTER_MODEL_KEY"
_HINT = (
    "write PROVIDER:MODEL such as openai:gpt-4o-mini, the URL of an OpenAI-compatible server such"
    " as http://127.0.0.1:8000/v1, with #MODEL if it serves several, or the path of a .gguf file"
)
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class ModelSpec(Record):
    """A chat model with what matters for choosing it.

    `name` is what people see; `model` is what the server is asked for, null for whichever it
    serves first; the file of provider `gguf`, the `module:function` of provider `workspace`.
    `clearance` is the most confidential data that may be sent to it. `context` and `output` are in
    tokens, `latency` and `timeout` in seconds; null is not known, or no bound. `own_key` tells
    that the workspace itself names the variable of the key; `structured` how data are asked for;
    `reply_bytes` is how much of one reply is read at most, after unpacking.
    """

    name: str
    provider: str
    model: str | None = None
    base_url: str | None = None
    tier: Tier = "capable"
    clearance: Confidentiality = Confidentiality.internal
    capabilities: tuple[Ability, ...] = ("chat", "plan", "judge", "route")
    api_key_env: str | None = None
    region: str | None = None
    context: int | None = None
    output: int | None = None
    price: PriceSpec | None = None
    latency: float | None = None
    rate: RateSpec = RateSpec()
    timeout: float | None = None
    attempts: int = 2
    options: dict[str, Any] = Field(default_factory=dict)
    own_key: bool = False
    structured: Structured = "tool"
    reply_bytes: int = REPLY_BYTES

    @property
    def loopback(self) -> bool:
        """Whether it is asked over the loopback; what listens there may hand it on."""
        if self.provider == "gguf":
            return True
        return self.base_url is not None and _is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def local(self) -> bool:
        """Whether it is served by this machine, so that data do not leave it."""
        return self.loopback and (self.provider == "gguf" or not handed_on(self.model))

    @property
    def listed(self) -> str | None:
        """The name of its provider in the price list; None where there is no listed price."""
        if self.base_url is not None:
            return None
        if self.provider == "openai":
            return "openai"
        provider = PROVIDERS.get(self.provider)
        return provider.prices if provider else None

    @property
    def key(self) -> str:
        """What breakers and measured latencies are kept under: the model and its region."""
        return f"{self.name}@{self.region}" if self.region else self.name

    def api_key(self) -> str:
        """Return the key from the environment, or a placeholder for a server that needs none.

        Raises:
            ConfigError: the provider needs a key and the variable is not set.
        """
        key = os.environ.get(self.api_key_env, "") if self.api_key_env else ""
        if key or self.base_url is not None or self.api_key_env is None:
            return key or "none"
        raise ConfigError(
            f"{self.name}: the environment variable {self.api_key_env} is not set",
            hint=f"export {self.api_key_env}=…, or name a server that needs no key",
        )


def parse_model(text: str) -> ModelSpec:
    """Return the model that a person named, for instance with `--model`.

    Its tier satisfies every need, because the person chose it; its clearance does not: a model on
    this machine may see everything, any other no restricted data, nor one that a server on this
    machine hands on.

    Raises:
        ConfigError: the text names no model.

    >>> parse_model("openai:gpt-4o-mini").model
    'gpt-4o-mini'
    >>> parse_model("http://127.0.0.1:8000/v1#llama").local
    True
    """
    named = text.strip()
    if named.lower().startswith(("http://", "https://")):
        return _from_url(named)
    if named.startswith("gguf:") or named.lower().endswith(".gguf"):
        return _from_file(named.removeprefix("gguf:"))
    provider, separator, model = named.partition(":")
    if not named or not separator:
        raise ConfigError(f"{text[:80]!r} names no model", hint=_HINT)
    if provider != "openai" and provider not in PROVIDERS:
        near = get_close_matches(provider, ["openai", *PROVIDERS], 1, 0.75)
        meant = f"did you mean {near[0]}:? Else {_HINT}" if near else _HINT
        raise ConfigError(f"there is no provider {provider[:40]!r}", hint=meant)
    if not model.strip() or any(c.isspace() for c in model):
        raise ConfigError(f"{text[:80]!r} names no model of {provider}", hint=_HINT)
    key = _KEY if provider == "openai" else PROVIDERS[provider].key
    return ModelSpec(name=named, provider=provider, model=model, tier="best", api_key_env=key)


def declared(entry: ModelEntry, folder: Path | None = None) -> ModelSpec:
    """Return the model of an entry in `models.yaml`.

    Args:
        entry: the entry.
        folder: of the workspace, from which the paths of files are counted.

    Raises:
        ConfigError: `use` names no model, or it takes no key or options.
    """
    named = _named(entry, folder)
    if entry.key and named.provider in PROVIDERS and named.api_key_env is None:
        raise ConfigError(
            f"{named.provider} takes no key of Concertmaster",
            hint="take 'key' out; its library finds its credentials in the environment",
        )
    if entry.options and named.provider not in ("gguf", *PROVIDERS):
        raise ConfigError(
            "'options' are for models of LangChain's providers and for GGUF files",
            hint="take them out, or make the model in a function of the workspace",
        )
    clearance = named.clearance if entry.clearance is None else Confidentiality[entry.clearance]
    return ModelSpec(
        name=entry.name,
        provider=named.provider,
        model=named.model,
        base_url=named.base_url,
        tier=entry.tier,
        clearance=clearance,
        capabilities=entry.capabilities,
        api_key_env=entry.key or named.api_key_env,
        region=entry.region,
        context=entry.context,
        output=entry.output,
        price=entry.price or named.price,
        latency=entry.latency,
        rate=entry.rate,
        timeout=entry.timeout,
        attempts=entry.attempts,
        options=entry.options,
        own_key=entry.key is not None,
        structured=entry.structured or named.structured,
        reply_bytes=entry.reply_bytes,
    )


def _named(entry: ModelEntry, folder: Path | None) -> ModelSpec:
    use = entry.use.strip()
    prefix = use.partition(":")[0]
    if _FUNCTION.fullmatch(use) and prefix not in ("openai", "gguf", *PROVIDERS):
        return ModelSpec(name=use, provider="workspace", model=use)
    named = parse_model(use)
    if named.provider == "gguf" and folder is not None:
        return named.model_copy(update={"model": str(folder / (named.model or ""))})
    return named


def _from_file(path: str) -> ModelSpec:
    if not path.strip():
        raise ConfigError("gguf: names no file", hint=_HINT)
    file = Path(path).expanduser()
    return ModelSpec(
        name=file.name,
        provider="gguf",
        model=str(file),
        tier="best",
        clearance=Confidentiality.restricted,
        structured="schema",
        price=PriceSpec(input=0, output=0),
    )


def _from_url(text: str) -> ModelSpec:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ConfigError(f"the model's URL cannot be read: {error}", hint=_HINT) from None
    if not host or any(c.isspace() for c in text):
        raise ConfigError(f"{text[:80]!r} names no server", hint=_HINT)
    if url.username is not None or url.password is not None:
        raise ConfigError(
            "the model's URL holds a user or a password",
            hint=f"take it out of the URL and export {_OWN_KEY}=… instead",
        )
    if url.query:
        raise ConfigError("the model's URL holds a query, which is not sent", hint=_HINT)
    path = url.path.rstrip("/") or "/v1"
    where = f"[{host}]" if ":" in host else host
    base = f"{url.scheme.lower()}://{where}{f':{port}' if port else ''}{path}"
    model = unquote(url.fragment) or None
    local = _is_loopback(host) and not handed_on(model)
    return ModelSpec(
        name=f"{base}#{model}" if model else base,
        provider="url",
        model=model,
        base_url=base,
        tier="best",
        clearance=Confidentiality.restricted if local else Confidentiality.internal,
        api_key_env=_OWN_KEY,
    )


def handed_on(model: str | None) -> bool:
    """Tell by a model's name whether a server on this machine hands it on to a service elsewhere.

    Ollama does so with models whose tag is `cloud` or ends in `-cloud`.

    >>> handed_on("gpt-oss:120b-cloud"), handed_on("glm-4.6:cloud"), handed_on("llama3.2:1b")
    (True, True, False)
    """
    return (model or "").strip().lower().endswith(("-cloud", ":cloud"))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
