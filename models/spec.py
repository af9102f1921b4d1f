"""What is declared of a chat model, and how a person names one: `openai:NAME` or a URL."""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from concertmaster.contracts import Confidentiality, Record
from concertmaster.contracts.model import Ability, ModelEntry, PriceSpec, RateSpec, Tier
from concertmaster.errors import ConfigError

__all__ = ["ModelSpec", "declared", "parse_model"]

_KEY = "OPENAI_API_KEY"
_OWN_KEY = "CONCERTMASTER_MODEL_KEY"
_HINT = (
    "write openai:MODEL, or the URL of an OpenAI-compatible server such as"
    " http://127.0.0.1:8000/v1, with #MODEL if it serves several"
)


class ModelSpec(Record):
    """A chat model with what matters for choosing it.

    `name` is what people see; `model` is what the server is asked for, null for whichever it
    serves first. `clearance` is the most confidential data that may be sent to it. `context` and
    `output` are in tokens, `latency` and `timeout` in seconds; null is not known, or no bound.
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

    @property
    def local(self) -> bool:
        """Whether it is served by this machine, so that data do not leave it."""
        return self.base_url is not None and _is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def key(self) -> str:
        """What breakers and measured latencies are kept under: the model and its region."""
        return f"{self.name}@{self.region}" if self.region else self.name

    def api_key(self) -> str:
        """Return the key from the environment, or a placeholder for a server that needs none.

        Raises:
            ConfigError: OpenAI's own service needs a key and the variable is not set.
        """
        key = os.environ.get(self.api_key_env, "") if self.api_key_env else ""
        if key or self.base_url is not None:
            return key or "none"
        raise ConfigError(
            f"{self.name}: the environment variable {self.api_key_env} is not set",
            hint=f"export {self.api_key_env}=…, or name a server that needs no key",
        )


def parse_model(text: str) -> ModelSpec:
    """Return the model that a person named, for instance with `--model`.

    Its tier satisfies every need, because the person chose it; its clearance does not: a model on
    this machine may see everything, any other no restricted data.

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
    provider, separator, model = named.partition(":")
    if not named or not separator:
        raise ConfigError(f"{text[:80]!r} names no model", hint=_HINT)
    if provider != "openai":
        raise ConfigError(
            f"{provider[:40]!r} is no built-in provider",
            hint=f"{_HINT}; a program may give any LangChain chat model instead",
        )
    if not model.strip() or any(c.isspace() for c in model):
        raise ConfigError(f"{text[:80]!r} names no model of OpenAI", hint=_HINT)
    return ModelSpec(name=named, provider="openai", model=model, tier="best", api_key_env=_KEY)


def declared(entry: ModelEntry) -> ModelSpec:
    """Return the model of an entry in `models.yaml`.

    Raises:
        ConfigError: `use` names no model.
    """
    named = parse_model(entry.use)
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
        price=entry.price,
        latency=entry.latency,
        rate=entry.rate,
        timeout=entry.timeout,
        attempts=entry.attempts,
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
    return ModelSpec(
        name=f"{base}#{model}" if model else base,
        provider="url",
        model=model,
        base_url=base,
        tier="best",
        clearance=Confidentiality.restricted if _is_loopback(host) else Confidentiality.internal,
        api_key_env=_OWN_KEY,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
