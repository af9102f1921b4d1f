"""What a call costs, as declared or by the price list that is installed. Nothing is fetched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from concertmaster.contracts.model import PriceSpec
from concertmaster.models.reply import ModelUsage

if TYPE_CHECKING:
    from concertmaster.models.spec import ModelSpec

__all__ = ["expected", "price_of", "priced"]

_MILLION = 1_000_000


def priced(
    usage: ModelUsage, *, model: str | None, provider: str | None, price: PriceSpec | None = None
) -> ModelUsage:
    """Return the usage with its cost in USD, or with none if the price is not known.

    Args:
        usage: the tokens.
        model: the provider's name of the model.
        provider: such as `openai`. Without it there is no listed price: a server of one's own
            may serve anything under a famous name.
        price: what the workspace declares; it goes before any list.
    """
    if price is not None:
        return replace(usage, cost=_declared(usage, price))
    if model is None or provider is None:
        return usage
    cost = _listed(usage, model, provider)
    return usage if cost is None else replace(usage, cost=cost)


def price_of(
    spec: ModelSpec, *, model: str | None = None, provider: str | None = None
) -> PriceSpec | None:
    """Return what a model costs: as declared, nothing on this machine, or as listed.

    Listed prices with steps are taken for short prompts; `priced` settles with the exact ones.

    Args:
        spec: the model.
        model: its provider's name for it, where a program gave the model.
        provider: the provider, likewise.
    """
    if spec.price is not None:
        return spec.price
    if spec.local:
        return PriceSpec(input=0, output=0)
    if model is None:
        model, provider = spec.model, spec.listed
    if model is None or provider is None:
        return None
    few = 1000
    reading = _listed(ModelUsage(input_tokens=few), model, provider)
    writing = _listed(ModelUsage(output_tokens=few), model, provider)
    if reading is None or writing is None:
        return None
    return PriceSpec(input=reading * _MILLION / few, output=writing * _MILLION / few)


def expected(price: PriceSpec | None, tokens: int, output: int) -> float | None:
    """Return what a call is expected to cost in USD; None if the price is not known."""
    if price is None:
        return None
    return price.request + (tokens * price.input + output * price.output) / _MILLION


def _declared(usage: ModelUsage, price: PriceSpec) -> float:
    cached = min(usage.cached_tokens, usage.input_tokens)
    cached_price = price.input if price.cached is None else price.cached
    reading = (usage.input_tokens - cached) * price.input + cached * cached_price
    return price.request + (reading + usage.output_tokens * price.output) / _MILLION


def _listed(usage: ModelUsage, model: str, provider: str) -> float | None:
    from genai_prices import Usage, calc_price

    tokens = Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
    )
    try:
        return float(calc_price(tokens, model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None
