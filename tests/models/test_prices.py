import threading

import pytest

from concertmaster.models.prices import priced
from concertmaster.models.reply import ModelUsage

USAGE = ModelUsage(input_tokens=1_000_000, output_tokens=1_000_000)


def test_known_model_has_its_price() -> None:
    cost = priced(USAGE, model="gpt-4o-mini", provider="openai").cost
    assert cost == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("model", "provider"),
    [("no-such-model", "openai"), ("gpt-4o-mini", "nobody"), ("gpt-4o-mini", None), (None, "x")],
)
def test_unknown_price_is_none(model: str | None, provider: str | None) -> None:
    assert priced(USAGE, model=model, provider=provider).cost is None


def test_prices_are_not_fetched_in_the_background() -> None:
    from genai_prices import data_snapshot, update_prices

    before = set(threading.enumerate())
    priced(USAGE, model="gpt-4o-mini", provider="openai")
    assert set(threading.enumerate()) == before
    assert not data_snapshot.get_snapshot().from_auto_update
    assert update_prices.wait_prices_updated_sync(timeout=0) is False
