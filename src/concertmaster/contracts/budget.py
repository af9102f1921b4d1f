"""Budgets: how much may be spent, by whom, in which time, and what happens at the limit."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from concertmaster.contracts.written import Name, Spec

__all__ = ["AtLimit", "BudgetSpec", "Measure", "Scope", "Within"]

Measure = Literal["tokens", "money", "model_calls", "tool_calls", "steps", "seconds"]
Scope = Literal["run", "thread", "principal", "tenant", "workflow"]
Within = Literal["hour", "day", "month"]
AtLimit = Literal["cheaper", "without_model", "ask", "stop"]

_OF_MODELS = frozenset({"tokens", "money", "model_calls"})


class BudgetSpec(Spec):
    """One limit.

    `of` is what is counted: tokens (prompts and answers), money (USD), calls of models or tools,
    steps (each visit of one), or seconds spent in models and tools. `per` says whose spending is
    added up, `within` over which calendar span in UTC (a principal's is a day's unless it says
    otherwise; a run's is the whole run's).

    `at_limit` is what happens to what would go beyond it: `cheaper` asks only models that the rest
    pays for, and does without one where there is none; `without_model` does without; `ask`
    escalates to `owner`, who may grant more; `stop` ends the run.
    """

    id: Name
    of: Measure
    most: float = Field(gt=0, allow_inf_nan=False)
    per: Scope = "run"
    within: Within | None = None
    at_limit: AtLimit = "stop"
    owner: Name | None = None

    @property
    def window(self) -> Within | None:
        """The span of time in fact; None for all of a run or thread."""
        if self.within is None and self.per in ("principal", "tenant", "workflow"):
            return "day"
        return self.within

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.per == "run" and self.within is not None:
            raise ValueError("a budget per run has no 'within'; it counts for the whole run")
        if self.at_limit in ("cheaper", "without_model") and self.of not in _OF_MODELS:
            raise ValueError(f"'at_limit: {self.at_limit}' is for tokens, money and model_calls")
        if self.at_limit == "ask" and self.owner is None:
            raise ValueError("'at_limit: ask' needs an 'owner' who may grant more")
        return self
