"""`models.yaml`: the models that a workspace may ask, and the rules for choosing among them."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from concertmaster.contracts.written import Name, Seconds, Spec

__all__ = [
    "REPLY_BYTES",
    "Ability",
    "Clearance",
    "ModelEntry",
    "ModelRule",
    "ModelsFile",
    "PredictorSpec",
    "Preference",
    "PriceSpec",
    "RateSpec",
    "Structured",
    "Tier",
]

Tier = Literal["small", "capable", "best"]
Ability = Literal["chat", "plan", "judge", "route"]
Preference = Literal["cost", "latency", "quality"]
Clearance = Literal["public", "internal", "restricted"]
Structured = Literal["tool", "schema"]

REPLY_BYTES = 4 * 2**20
"""How much of one reply is read if nothing is declared: an answer that may be used has at most
200,000 characters, which JSON writes in up to 1.2 MB, and tool calls besides."""

_SECRET = re.compile(r"(^|_)(api_?key|key|token|secret|password|credentials?)($|_)(?!id)", re.I)


class PriceSpec(Spec):
    """What a model costs, in USD per million tokens; `request` in USD for each request."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    request: float = Field(default=0.0, ge=0)


class RateSpec(Spec):
    """How much a provider takes: requests and tokens a minute, requests at the same time."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    parallel: int | None = Field(default=None, ge=1)


class ModelEntry(Spec):
    """One model that may be asked.

    `use` says where it is: `openai:NAME`, `PROVIDER:NAME` of any provider that LangChain knows,
    the URL of an OpenAI-compatible server, the path of a `.gguf` file, or `module:function` of the
    workspace that returns a LangChain chat model. `key` names the environment variable that holds
    the key. `context` and `output` are in tokens. `price` replaces the price list that comes with
    the package. `latency` is what to expect of one call, until calls have been measured; `timeout`
    bounds one attempt, `attempts` counts the first one.

    `options` are settings of a LangChain provider's class, such as `{temperature: 0}`, or the
    `threads` for a file; no key belongs there. `structured` says how data are asked for: by a tool
    that has to be called, or by a schema of the answer, for servers that do not heed the former.
    `reply_bytes` is how much of one reply is read at most, after unpacking.
    """

    name: Name
    use: str = Field(min_length=1)
    key: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    capabilities: tuple[Ability, ...] = ("chat", "plan", "judge", "route")
    tier: Tier = "capable"
    clearance: Clearance | None = None
    region: Name | None = None
    context: int | None = Field(default=None, ge=256)
    output: int | None = Field(default=None, ge=16)
    price: PriceSpec | None = None
    latency: Seconds | None = None
    rate: RateSpec = RateSpec()
    timeout: Seconds | None = None
    attempts: int = Field(default=2, ge=1, le=10)
    options: dict[str, JsonValue] = Field(default_factory=dict)
    structured: Structured | None = None
    reply_bytes: int = Field(default=REPLY_BYTES, ge=4096)

    @field_validator("options")
    @classmethod
    def _no_secret(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name in value:
            if _SECRET.search(name):
                raise ValueError(f"{name!r} belongs into the environment; name its variable as key")
        return value


class ModelRule(Spec):
    """An exception to how models are chosen: where `when` holds, the need is changed so.

    `when` is CEL over `step`, `need`, `intent`, `risk`, `principal`, `confidentiality`, `tokens`
    and `turns`. `tier` and `clearance` can only rise, `regions` only narrow; `never` names models
    that are not asked, `only` the ones that may be.
    """

    id: Name
    when: str
    tier: Tier | None = None
    clearance: Clearance | None = None
    regions: tuple[Name, ...] | None = None
    prefer: Preference | None = None
    only: tuple[Name, ...] | None = None
    never: tuple[Name, ...] = ()
    why: str = ""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        given = self.model_fields_set - {"id", "when", "why"}
        if not given:
            raise ValueError("a rule changes something: tier, clearance, regions, prefer, …")
        return self


class PredictorSpec(Spec):
    """A classifier or extractor: a model with a declared form of what goes in and comes out.

    `serves` are the needs by which steps ask for it, its name if none is said. `use` is the path of
    an `.onnx` file, or `module:function` of the workspace, which returns a scikit-learn estimator
    or any function from a mapping to a mapping; it is given the path of `file` if there is one.
    `input` and `output` are JSON Schemas of objects; to an estimator the values go in the order of
    the input's properties. `version` is told in the trail beside the digest of the file; `sha256`
    is the digest that the file must have.
    """

    name: Name
    use: str = Field(min_length=1)
    serves: tuple[Name, ...] = ()
    file: str | None = None
    input: dict[str, JsonValue]
    output: dict[str, JsonValue]
    version: str = ""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    clearance: Clearance = "restricted"
    timeout: Seconds = 2.0

    @property
    def needs(self) -> tuple[str, ...]:
        """The needs that it serves."""
        return self.serves or (self.name,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what goes in, in the declared order."""
        found = self.input.get("properties")
        return tuple(found) if isinstance(found, dict) else ()


class ModelsFile(Spec):
    """`models.yaml`. Of equals, the model that stands first is asked first."""

    models: tuple[ModelEntry, ...] = ()
    rules: tuple[ModelRule, ...] = ()
    predictors: tuple[PredictorSpec, ...] = ()
