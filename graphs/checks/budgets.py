"""Budgets: distinct names, and owners that exist."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.graphs.checks.subject import Subject
from concertmaster.graphs.problems import Problem

__all__ = ["check_budgets"]


def check_budgets(subject: Subject) -> Iterator[Problem]:
    """Look at the section `budgets`."""
    budgets = subject.workflow.budgets
    names = [(b.id, ("workflow", "budgets", i, "id")) for i, b in enumerate(budgets)]
    yield from subject.twice(names, "budget")
    owners = subject.workflow.owners
    for index, budget in enumerate(budgets):
        if budget.owner is not None and budget.owner not in owners:
            place = ("workflow", "budgets", index, "owner")
            yield subject.unknown(place, "owner", budget.owner, owners, f"budget {budget.id!r}")
