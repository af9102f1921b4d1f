"""What a call costs, from the price list that is installed; nothing is fetched."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.models.reply import ModelUsage

__all__ = ["priced"]


def priced(usage: ModelUsage, *, model: str | None, provider: str | None) -> ModelUsage:
    """Return the usage with its cost in USD, or with none if the price is not known.

    Args:
        usage: the tokens.
        model: the provider's name of the model.
        provider: such as `openai`. Without it there is no price: a server of one's own may
            serve anything under a famous name.
    """
    if model is None or provider is None:
        return usage
    from genai_prices import Usage, calc_price

    tokens = Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
    )
    try:
        price = calc_price(tokens, model, provider_id=provider)
    except (LookupError, ValueError):
        return usage
    return replace(usage, cost=float(price.total_price))
