"""Which model answers a call: filter by what must be, score what remains, give the reason. Pure.

A model that fits is scored by three numbers between 0 and 1, each relative to the worst of those
that fit: what the call is expected to cost, how long it is expected to take, and by how many tiers
the model is better than it has to be. What is not known counts as a little worse than the worst.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.html import Shown
from concertmaster.contracts.model import Preference, PriceSpec
from concertmaster.models.prices import expected, price_of
from concertmaster.models.requirement import TIERS, Requirement
from concertmaster.models.spec import ModelSpec

__all__ = ["Call", "Catalogue", "Ranked", "Ranking", "rank"]

_WEIGHTS: dict[Preference, tuple[float, float, float]] = {
    "cost": (0.7, 0.2, 0.1),
    "latency": (0.2, 0.7, 0.1),
    "quality": (0.2, 0.1, -0.7),
}
_UNKNOWN = 1.05
_LISTED = 6
_BY_SCORE = attrgetter("score")
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


class Catalogue:
    """The models of a desk in order, with their `price`; remembers which ones are able to what."""

    def __init__(
        self,
        models: Sequence[ModelSpec],
        price: Callable[[ModelSpec], PriceSpec | None] = price_of,
    ) -> None:
        self.models = tuple(models)
        self.price = price
        self._able: dict[Requirement, _Split] = {}

    def able(self, requirement: Requirement) -> _Split:
        """Split the models by what does not change from call to call."""
        known = self._able.get(requirement)
        if known is None:
            known = _split(self, requirement)
            if len(self._able) >= _REMEMBERED:
                self._able.clear()
            self._able[requirement] = known
        return known


class _Able(NamedTuple):
    """A model that can serve a requirement, with the numbers that a call needs of it."""

    spec: ModelSpec
    key: str
    price: PriceSpec | None
    above: float
    latency: float | None
    clearance: int
    context: float


@dataclass(frozen=True)
class _Split:
    """Models that can serve a requirement, and why the others cannot."""

    able: tuple[_Able, ...]
    unable: dict[str, str]


class _Candidate(NamedTuple):
    """A model that can serve a call, with what to expect."""

    able: _Able
    cost: float | None
    latency: float | None


class Ranked(NamedTuple):
    """A model that fits, with the cost (USD, None if unknown) and latency (s) to expect.

    The lower the `score`, the better; it compares with those of the same ranking only.
    """

    spec: ModelSpec
    cost: float | None
    latency: float | None
    score: float


@dataclass(frozen=True, kw_only=True)
class Ranking(Shown):
    """Models that fit, best first, and why the others do not, by name."""

    fitting: tuple[Ranked, ...] = ()
    passed: dict[str, str] = field(default_factory=dict)
    why: str = ""


def rank(
    catalogue: Catalogue,
    requirement: Requirement,
    call: Call,
    *,
    blocked: Mapping[str, str] = MappingProxyType({}),
    latencies: Mapping[str, float] = MappingProxyType({}),
) -> Ranking:
    """Rank the models for a call.

    Args:
        catalogue: the models, in the order of preference among equals.
        requirement: what a model must satisfy.
        call: what is about to be asked.
        blocked: models that cannot be asked just now, by `ModelSpec.key`, with the reason.
        latencies: measured ones in seconds, by key; they count before the declared ones.
    """
    if requirement.impossible:
        return Ranking(why=requirement.impossible)
    split = catalogue.able(requirement)
    passed = dict(split.unable)
    candidates: list[_Candidate] = []
    tokens, output = call.tokens, call.output
    level, needed, bounded = call.confidentiality, tokens + output, call.allowance is not None
    for able in split.able:
        cost = expected(able.price, tokens, output)
        why = blocked.get(able.key) if blocked else None
        if why is None and (bounded or able.clearance < level or able.context < needed):
            why = _beyond(able, call, cost)
        if why is not None:
            passed[able.spec.name] = why
        else:
            candidates.append(_Candidate(able, cost, latencies.get(able.key, able.latency)))
    if not candidates:
        return Ranking(passed=passed, why=f"no configured model fits: {_listed(passed)}")
    fitting = _scored(candidates, requirement)
    stays = call.last is not None and any(r.spec.name == call.last for r in fitting)
    if stays:
        fitting.sort(key=lambda one: one.spec.name != call.last)
    return Ranking(
        fitting=tuple(fitting),
        passed=passed,
        why=_why(fitting, requirement, passed, stays),
    )


def _split(catalogue: Catalogue, requirement: Requirement) -> _Split:
    able, unable = [], {}
    floor = TIERS.index(requirement.tier)
    for spec in catalogue.models:
        why = _unfit(spec, requirement)
        if why is not None:
            unable[spec.name] = why
            continue
        able.append(
            _Able(
                spec=spec,
                key=spec.key,
                price=catalogue.price(spec),
                above=(TIERS.index(spec.tier) - floor) / 2,
                latency=spec.latency,
                clearance=spec.clearance,
                context=math.inf if spec.context is None else spec.context,
            )
        )
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


def _beyond(able: _Able, call: Call, cost: float | None) -> str | None:
    if able.clearance < call.confidentiality:
        cleared = able.spec.clearance.name
        return f"is cleared for {cleared} data; this is {call.confidentiality.name}"
    if call.tokens + call.output > able.context:
        needed = call.tokens + call.output
        return f"holds {able.context} tokens, fewer than the {needed} of this"
    if call.allowance is not None:
        if cost is None:
            return "has no known price, and money is bounded"
        if cost > call.allowance:
            return f"would cost about {cost:.4f} USD, of which {call.allowance:.4f} are left"
    return None


def _scored(candidates: Sequence[_Candidate], needed: Requirement) -> list[Ranked]:
    dearest = max((c.cost for c in candidates if c.cost is not None), default=0.0) or 1.0
    slowest = max((c.latency for c in candidates if c.latency is not None), default=0.0) or 1.0
    by_cost, by_latency, by_tier = _WEIGHTS[needed.prefer]
    by_cost, by_latency = by_cost / dearest, by_latency / slowest
    no_cost, no_latency = _UNKNOWN * dearest, _UNKNOWN * slowest
    ranked = [
        Ranked(
            able.spec,
            cost,
            latency,
            by_cost * (no_cost if cost is None else cost)
            + by_latency * (no_latency if latency is None else latency)
            + by_tier * able.above,
        )
        for able, cost, latency in candidates
    ]
    ranked.sort(key=_BY_SCORE)
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
