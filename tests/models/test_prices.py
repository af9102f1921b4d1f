import threading
from typing import Any

import pytest

from concertmaster.contracts.spec import ModelNeed
from concertmaster.models import Models
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


def test_price_of_a_model_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import genai_prices

    looked_up = []

    def calc_price(*given: Any, **named: Any) -> Any:
        looked_up.append(given)
        return calculate(*given, **named)

    calculate = genai_prices.calc_price
    monkeypatch.setattr(genai_prices, "calc_price", calc_price)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    models = Models.of("openai:gpt-4o-mini")
    for output in (10, 20, 30):
        choice = models.choose(ModelNeed(need="chat", output=output))
        assert choice.price is not None
        assert choice.price.input > 0
    assert len(looked_up) == 2  # what reading costs, and what writing costs
