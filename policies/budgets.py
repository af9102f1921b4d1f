"""Whether something may still be spent: limits, what counts against them, the verdict. Pure.

A spend is checked before it happens, with an estimate that is held back until it is settled, so
that runs at the same time cannot overspend together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from concertmaster.contracts.budget import AtLimit, BudgetSpec, Measure, Scope, Within

__all__ = ["Beyond", "Limit", "Spender", "limits_of", "verdict"]

Amounts = Mapping[Measure, float]

_FORMS: dict[Within, str] = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}
_GRACE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Spender:
    """On whose behalf something is spent."""

    run: str
    thread: str
    principal: str
    tenant: str | None
    workflow: str

    def key(self, scope: Scope) -> str | None:
        """Return whose account a scope means; None where there is none, such as no tenant."""
        key: str | None = getattr(self, scope)
        return key


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A budget as it counts for one spender now. `account` and `window` name what is added up."""

    spec: BudgetSpec
    account: str
    window: str

    @property
    def place(self) -> tuple[str, str, Measure]:
        """What identifies the sum: two budgets of one measure and account share it."""
        return self.account, self.window, self.spec.of


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """A spend that a budget does not allow."""

    budget: str
    at_limit: AtLimit
    owner: str | None
    left: float
    why: str


def limits_of(specs: Iterable[BudgetSpec], spender: Spender, at: datetime) -> tuple[Limit, ...]:
    """Return the limits that count for a spender at a time.

    >>> spec = BudgetSpec(id="day", of="tokens", most=100, per="principal")
    >>> who = Spender(run="r", thread="t", principal="ana", tenant=None, workflow="w")
    >>> limits_of([spec], who, datetime(2026, 5, 4, tzinfo=UTC))[0].place
    ('principal:ana', '2026-05-04', 'tokens')
    """
    limits = []
    for spec in specs:
        key = spender.key(spec.per)
        if key is None:
            continue
        window = spec.window
        span = at.astimezone(UTC).strftime(_FORMS[window]) if window else ""
        limits.append(Limit(spec=spec, account=f"{spec.per}:{key}", window=span))
    return tuple(limits)


def verdict(
    limits: Sequence[Limit],
    taken: Mapping[tuple[str, str, Measure], float],
    granted: Mapping[tuple[str, str, str], float],
    wanted: Amounts,
) -> Beyond | None:
    """Return the first budget that a spend would go beyond, None if all allow it.

    A limit that is used up admits nothing that counts against it, however small.

    Args:
        limits: those that count.
        taken: what is spent or held back already, by `Limit.place`.
        granted: what people granted beyond a budget, by (budget, account, window).
        wanted: the estimate.
    """
    for limit in limits:
        estimate = wanted.get(limit.spec.of)
        if estimate is None:
            continue
        left = remaining(limit, taken, granted)
        if left <= _GRACE or estimate > left + _GRACE:
            spec = limit.spec
            return Beyond(
                budget=spec.id,
                at_limit=spec.at_limit,
                owner=spec.owner,
                left=max(left, 0.0),
                why=_why(spec, max(left, 0.0), estimate),
            )
    return None


def remaining(
    limit: Limit,
    taken: Mapping[tuple[str, str, Measure], float],
    granted: Mapping[tuple[str, str, str], float],
) -> float:
    """Return what a limit leaves; below 0 when an estimate was too low."""
    more = granted.get((limit.spec.id, limit.account, limit.window), 0.0)
    return limit.spec.most + more - taken.get(limit.place, 0.0)


def _why(spec: BudgetSpec, left: float, estimate: float) -> str:
    span = f" a {spec.window}" if spec.window else ""
    whose = f"{spec.per}{span}"
    amount = _amount(spec.of, spec.most)
    if left <= _GRACE:
        return f"the budget {spec.id} of {amount} per {whose} is used up"
    return (
        f"the budget {spec.id} of {amount} per {whose} leaves {_amount(spec.of, left)},"
        f" and this needs about {_amount(spec.of, estimate)}"
    )


def _amount(of: Measure, value: float) -> str:
    if of == "money":
        return f"{value:.4f} USD" if value < 1 else f"{value:.2f} USD"
    if of == "seconds":
        return f"{value:.1f} s"
    return f"{value:.0f} {of.replace('_', ' ')}"
