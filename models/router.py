"""Which model answers a call: filter by what must be, score what remains, give the reason. Pure.

A model that fits is scored by three numbers between 0 and 1, each relative to the worst of those
that fit: what the call is expected to cost, how long it is expected to take, and by how many tiers
the model is better than it has to be. What is not known counts as a little worse than the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.model import Preference, PriceSpec
from concertmaster.models.prices import expected, price_of
from concertmaster.models.requirement import TIERS, Requirement
from concertmaster.models.spec import ModelSpec

__all__ = ["Call", "Catalogue", "Health", "Ranked", "Ranking", "rank"]

_WEIGHTS: dict[Preference, tuple[float, float, float]] = {
    "cost": (0.7, 0.2, 0.1),
    "latency": (0.2, 0.7, 0.1),
    "quality": (0.2, 0.1, -0.7),
}
_UNKNOWN = 1.05
_LISTED = 6
_REMEMBERED = 256


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is about to be asked.

    `tokens` are estimated for the prompt, `output` for the answer; `confidentiality` is the
    highest of what the prompt holds. `allowance` is the money left, in USD; None is no bound.
    `last` is the model that the thread used before, if the step is to stay with it.
    """

    tokens: int = 0
    output: int = 500
    confidentiality: Confidentiality = Confidentiality.public
    allowance: float | None = None
    last: str | None = None


@dataclass(frozen=True, kw_only=True)
class Health:
    """How a model is doing: why it cannot be asked just now, if so; its latency in seconds."""

    blocked: str | None = None
    latency: float | None = None


_WELL = Health()
_Candidate = tuple[ModelSpec, float | None, float | None]


def _well(_: ModelSpec) -> Health:
    return _WELL


class Catalogue:
    """The models of a desk in order, with their prices; remembers which ones are able to what."""

    def __init__(self, models: Sequence[ModelSpec]) -> None:
        self.models = tuple(models)
        self._prices: dict[str, PriceSpec | None] = {}
        self._able: dict[Requirement, _Split] = {}

    def price(self, spec: ModelSpec) -> PriceSpec | None:
        """Return what a model costs, None if nobody knows."""
        if spec.name not in self._prices:
            self._prices[spec.name] = price_of(spec)
        return self._prices[spec.name]

    def able(self, requirement: Requirement) -> _Split:
        """Split the models by what does not change from call to call."""
        known = self._able.get(requirement)
        if known is None:
            known = _split(self, requirement)
            if len(self._able) >= _REMEMBERED:
                self._able.clear()
            self._able[requirement] = known
        return known


@dataclass(frozen=True)
class _Split:
    """Models that can serve a requirement with what they cost, and why the others cannot."""

    able: tuple[tuple[ModelSpec, PriceSpec | None], ...]
    unable: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A model that fits, with the cost (USD, None if unknown) and latency (s) to expect."""

    spec: ModelSpec
    score: float
    cost: float | None
    latency: float | None


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Models that fit, best first, and why the others do not, by name."""

    fitting: tuple[Ranked, ...] = ()
    passed: dict[str, str] = field(default_factory=dict)
    why: str = ""


def rank(
    catalogue: Catalogue,
    requirement: Requirement,
    call: Call,
    health: Callable[[ModelSpec], Health] = _well,
) -> Ranking:
    """Rank the models for a call.

    Args:
        catalogue: the models, in the order of preference among equals.
        requirement: what a model must satisfy.
        call: what is about to be asked.
        health: how each model is doing now.
    """
    if requirement.impossible:
        return Ranking(why=requirement.impossible)
    split = catalogue.able(requirement)
    passed = dict(split.unable)
    candidates: list[_Candidate] = []
    for spec, price in split.able:
        state = health(spec)
        cost = expected(price, call.tokens, call.output)
        why = state.blocked or _beyond(spec, call, cost)
        if why is not None:
            passed[spec.name] = why
        else:
            latency = spec.latency if state.latency is None else state.latency
            candidates.append((spec, cost, latency))
    if not candidates:
        return Ranking(passed=passed, why=f"no configured model fits: {_listed(passed)}")
    fitting = _scored(candidates, requirement)
    stays = call.last is not None and any(r.spec.name == call.last for r in fitting)
    if stays:
        fitting.sort(key=lambda one: one.spec.name != call.last)
    return Ranking(
        fitting=tuple(fitting), passed=passed, why=_why(fitting, requirement, passed, stays)
    )


def _split(catalogue: Catalogue, requirement: Requirement) -> _Split:
    able, unable = [], {}
    for spec in catalogue.models:
        why = _unfit(spec, requirement)
        if why is None:
            able.append((spec, catalogue.price(spec)))
        else:
            unable[spec.name] = why
    return _Split(tuple(able), unable)


def _unfit(spec: ModelSpec, needed: Requirement) -> str | None:
    if needed.ability not in spec.capabilities:
        return f"is not declared for {needed.ability}"
    if spec.clearance < needed.clearance:
        return f"is cleared for {spec.clearance.name} data, not for {needed.clearance.name}"
    if TIERS.index(spec.tier) < TIERS.index(needed.tier):
        return f"is of tier {spec.tier}, below {needed.tier}"
    if needed.regions and not spec.local and spec.region not in needed.regions:
        where = f"is in {spec.region}" if spec.region else "declares no region"
        return f"{where}, not in {' or '.join(sorted(needed.regions))}"
    if spec.context is not None and spec.context < needed.context:
        return f"holds {spec.context} tokens, fewer than {needed.context}"
    if needed.only is not None and spec.name not in needed.only:
        return "is not among the models that a rule leaves"
    if spec.name in needed.never:
        return "is taken out by a rule"
    return None


def _beyond(spec: ModelSpec, call: Call, cost: float | None) -> str | None:
    if spec.clearance < call.confidentiality:
        return f"is cleared for {spec.clearance.name} data; this is {call.confidentiality.name}"
    if spec.context is not None and call.tokens + call.output > spec.context:
        return f"holds {spec.context} tokens, fewer than the {call.tokens + call.output} of this"
    if call.allowance is not None:
        if cost is None:
            return "has no known price, and money is bounded"
        if cost > call.allowance:
            return f"would cost about {cost:.4f} USD, of which {call.allowance:.4f} are left"
    return None


def _scored(candidates: Sequence[_Candidate], needed: Requirement) -> list[Ranked]:
    dearest = max((c for _, c, _ in candidates if c is not None), default=0.0) or 1.0
    slowest = max((s for _, _, s in candidates if s is not None), default=0.0) or 1.0
    by_cost, by_latency, by_tier = _WEIGHTS[needed.prefer]
    floor = TIERS.index(needed.tier)
    ranked = []
    for spec, cost, latency in candidates:
        score = (
            by_cost * (_UNKNOWN if cost is None else cost / dearest)
            + by_latency * (_UNKNOWN if latency is None else latency / slowest)
            + by_tier * (TIERS.index(spec.tier) - floor) / 2
        )
        ranked.append(Ranked(spec=spec, score=score, cost=cost, latency=latency))
    ranked.sort(key=lambda one: one.score)
    return ranked


def _why(
    fitting: Sequence[Ranked], needed: Requirement, passed: dict[str, str], stays: bool
) -> str:
    best = fitting[0]
    spec = best.spec
    parts = [
        f"{spec.name} serves {needed.ability}: its tier {spec.tier} meets {needed.tier},"
        f" its clearance {spec.clearance.name} meets {needed.clearance.name}"
    ]
    if len(fitting) > 1:
        cost = "unknown cost" if best.cost is None else f"about {best.cost:.5f} USD"
        pace = "unknown latency" if best.latency is None else f"about {best.latency:.1f} s"
        among = "the thread's own" if stays else f"the best of {len(fitting)} for {needed.prefer}"
        parts.append(f"{cost} and {pace}, {among}")
    if needed.notes:
        parts.append(f"under {', '.join(needed.notes)}")
    if passed:
        parts.append(f"passed over: {_listed(passed)}")
    return "; ".join(parts)


def _listed(passed: dict[str, str]) -> str:
    told = [f"{name} {why}" for name, why in list(passed.items())[:_LISTED]]
    more = len(passed) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")
