from typing import Any

import pytest

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.model import ModelRule, PriceSpec
from concertmaster.contracts.steps import ModelNeed
from concertmaster.models.requirement import Requirement, required
from concertmaster.models.router import Call, Catalogue, rank
from concertmaster.models.spec import ModelSpec

NEED = Requirement.of(ModelNeed(need="chat"))


def model(name: str, cost: float | None = None, **declared: Any) -> ModelSpec:
    price = None if cost is None else PriceSpec(input=cost, output=cost)
    return ModelSpec(name=name, provider="program", price=price, **declared)


def order(
    models: list[ModelSpec], needed: Requirement = NEED, call: Call | None = None
) -> list[str]:
    ranking = rank(Catalogue(models), needed, call or Call(tokens=1000))
    return [one.spec.name for one in ranking.fitting]


def test_cheaper_of_two_that_fit_is_first_even_if_it_is_of_a_higher_tier() -> None:
    assert order([model("dear", 10.0), model("cheap", 1.0, tier="best")]) == ["cheap", "dear"]


def test_unknown_price_never_looks_cheap() -> None:
    assert order([model("unknown"), model("known", 50.0), model("free", 0.0)]) == [
        "free",
        "known",
        "unknown",
    ]


def test_faster_one_is_first_where_latency_is_preferred() -> None:
    needed = Requirement.of(ModelNeed(need="chat", prefer="latency"))
    slow, fast = model("slow", 1.0, latency=3.0), model("fast", 2.0, latency=0.3)
    assert order([slow, fast], needed) == ["fast", "slow"]
    assert order([slow, fast]) == ["slow", "fast"]


def test_best_one_is_first_where_quality_is_preferred() -> None:
    needed = Requirement.of(ModelNeed(need="chat", tier="small", prefer="quality"))
    models = [model("s", 1.0, tier="small"), model("b", 20.0, tier="best"), model("c", 2.0)]
    assert order(models, needed)[0] == "b"


def test_measured_latency_counts_before_the_declared_one() -> None:
    needed = Requirement.of(ModelNeed(need="chat", prefer="latency"))
    models = [model("a", latency=0.1), model("b", latency=0.2)]
    ranking = rank(Catalogue(models), needed, Call(), latencies={"a": 5.0})
    assert ranking.fitting[0].spec.name == "b"


@pytest.mark.parametrize(
    ("declared", "call", "why"),
    [
        ({"context": 1000}, Call(tokens=900, output=200), "holds 1000 tokens"),
        (
            {},
            Call(confidentiality=Confidentiality.restricted),
            "cleared for internal data; this is",
        ),
        ({}, Call(allowance=0.5), "has no known price, and money is bounded"),
        ({"cost": 1000.0}, Call(tokens=1000, allowance=0.5), "would cost about 1.5000 USD"),
    ],
)
def test_model_that_this_call_would_overtax_is_passed_over(
    declared: dict[str, Any], call: Call, why: str
) -> None:
    ranking = rank(Catalogue([model("m", **declared)]), NEED, call)
    assert not ranking.fitting
    assert why in ranking.why


def test_data_stay_in_the_regions_that_a_step_names() -> None:
    needed = Requirement.of(ModelNeed(need="chat", regions=("eu",)))
    here = model("here", base_url="http://127.0.0.1:1/v1")
    models = [model("us", region="us"), model("eu", region="eu"), model("nowhere"), here]
    ranking = rank(Catalogue(models), needed, Call())
    assert {one.spec.name for one in ranking.fitting} == {"eu", "here"}
    assert ranking.passed["us"] == "is in us, not in eu"
    assert ranking.passed["nowhere"] == "declares no region, not in eu"


def test_resting_model_is_passed_over_with_its_reason() -> None:
    models = [model("a", 1.0), model("b", 2.0)]
    ranking = rank(Catalogue(models), NEED, Call(), blocked={"a": "rests"})
    assert [one.spec.name for one in ranking.fitting] == ["b"]
    assert "passed over: a rests" in ranking.why


def test_thread_stays_with_its_model_while_that_one_fits() -> None:
    models = [model("cheap", 1.0), model("dear", 9.0)]
    call = Call(tokens=10, last="dear")
    ranking = rank(Catalogue(models), NEED, call)
    assert [one.spec.name for one in ranking.fitting] == ["dear", "cheap"]
    assert "the thread's own" in ranking.why
    away = rank(Catalogue(models), NEED, call, blocked={"dear": "rests"})
    assert away.fitting[0].spec.name == "cheap"


def test_rules_raise_a_need_and_never_lower_it() -> None:
    need = ModelNeed(need="plan", tier="capable", clearance="internal")
    rule = ModelRule(id="risky", when="risk == 'high'", tier="best", why="large sums")
    raised = required(need, [rule], {"risk": "high"})
    assert (raised.tier, raised.notes) == ("best", ("risky: large sums",))
    assert required(need, [rule], {"risk": "low"}).tier == "capable"
    lower = ModelRule(id="low", when="true", tier="small", clearance="public")
    kept = required(need, [lower], {})
    assert (kept.tier, kept.clearance) == ("capable", Confidentiality.internal)


def test_rule_that_cannot_be_evaluated_restricts() -> None:
    rule = ModelRule(id="odd", when="risk > 3", never=("m",))
    needed = required(ModelNeed(need="chat"), [rule], {"risk": "high"})
    assert needed.never == {"m"}


def test_regions_without_overlap_leave_no_model() -> None:
    need = ModelNeed(need="chat", regions=("eu",))
    rule = ModelRule(id="us-only", when="true", regions=("us",))
    needed = required(need, [rule], {})
    ranking = rank(Catalogue([model("m", region="eu")]), needed, Call())
    assert not ranking.fitting
    assert "no region satisfies the step and the rule us-only" in ranking.why


def test_rule_narrows_the_models_that_may_be_asked() -> None:
    rules = [
        ModelRule(id="one", when="true", only=("a", "b")),
        ModelRule(id="two", when="true", only=("b", "c")),
    ]
    needed = required(ModelNeed(need="chat"), rules, {})
    assert order([model("a"), model("b"), model("c")], needed) == ["b"]


def test_long_lists_of_passed_over_models_are_shortened() -> None:
    models = [model(f"m{i}", tier="small") for i in range(20)]
    ranking = rank(Catalogue(models), NEED, Call())
    assert ranking.why.endswith("and 14 more")
    assert len(ranking.passed) == 20
