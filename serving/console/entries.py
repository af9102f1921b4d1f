"""The queue as a list: filters, order of urgency, what each line says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import get_args
from urllib.parse import urlencode

from concertmaster.contracts import Approval, Principal
from concertmaster.contracts.approval import ApprovalStatus
from concertmaster.policies.deadlines import overdue
from concertmaster.serving.console.characters import plain_json
from concertmaster.serving.console.standing import Standing, standing

__all__ = ["STATUSES", "Entry", "Filters", "choices", "entries", "filters_of", "passes", "query_of"]

STATUSES: tuple[str, ...] = get_args(ApprovalStatus)
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What the list is narrowed to; an empty text does not narrow it."""

    workflow: str = ""
    tool: str = ""
    role: str = ""
    requester: str = ""
    status: str = ""
    text: str = ""

    @property
    def any(self) -> bool:
        """Whether anything is narrowed."""
        return any(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a list."""

    workflow: str
    approval: Approval
    standing: Standing
    summary: str
    overdue: bool

    @property
    def decidable(self) -> bool:
        """Whether whoever looks at it can answer."""
        return self.standing.answers or self.standing.approves


def filters_of(query: Mapping[str, str]) -> Filters:
    """Return the filters of a query; what is unknown is left out, what is too long is cut."""
    given = {f.name: query.get(f.name, "").strip()[:_LONGEST] for f in fields(Filters)}
    if given["status"] not in STATUSES:
        given["status"] = ""
    return Filters(**given)


def query_of(filters: Filters) -> str:
    """Return the query of a page with these filters.

    >>> query_of(Filters(text="a&b"))
    'text=a%26b'
    """
    given = {field.name: getattr(filters, field.name) for field in fields(filters)}
    return urlencode({name: value for name, value in given.items() if value})


def entries(
    found: Iterable[tuple[str, Approval]], who: Principal, at: str, *, latest_first: bool = False
) -> list[Entry]:
    """Return approvals as lines: what one can decide first, then by urgency; or the latest first.

    Args:
        found: the name of the workflow with each approval.
        who: for whom.
        at: the moment.
        latest_first: for what was decided before.
    """
    listed = [
        Entry(
            workflow=workflow,
            approval=approval,
            standing=standing(approval, who, at),
            summary=_summary(approval),
            overdue=overdue(approval, at),
        )
        for workflow, approval in found
    ]
    if latest_first:
        return sorted(listed, key=lambda e: e.approval.decided or e.approval.created, reverse=True)
    return sorted(
        listed,
        key=lambda e: (
            not e.decidable,
            not e.overdue,
            e.approval.due or "~",
            e.approval.created,
            e.approval.id,
        ),
    )


def passes(entry: Entry, filters: Filters) -> bool:
    """Tell whether a line is among what is asked for."""
    approval = entry.approval
    if filters.workflow and entry.workflow != filters.workflow:
        return False
    if filters.tool and approval.action.tool != filters.tool:
        return False
    if filters.requester and approval.requester != filters.requester:
        return False
    if filters.status and approval.status != filters.status:
        return False
    if filters.role and filters.role not in {need.role for need in approval.needs}:
        return False
    return not filters.text or filters.text.casefold() in _haystack(entry)


def choices(listed: Iterable[Entry]) -> dict[str, list[str]]:
    """Return what can be chosen in each filter: what occurs in the list."""
    found: dict[str, set[str]] = {k: set() for k in ("workflow", "tool", "role", "requester")}
    for entry in listed:
        found["workflow"].add(entry.workflow)
        found["tool"].add(entry.approval.action.tool)
        found["requester"].add(entry.approval.requester)
        found["role"].update(need.role for need in entry.approval.needs)
    return {name: sorted(values) for name, values in found.items()}


def _summary(approval: Approval) -> str:
    told = ", ".join(
        f"{name}: {value if isinstance(value, str) else plain_json(value)}"
        for name, value in approval.action.arguments.items()
        if value not in (None, "")
    )
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST].rstrip()}…"


def _haystack(entry: Entry) -> str:
    approval = entry.approval
    parts = (
        approval.id,
        approval.action.tool,
        approval.requester,
        plain_json(approval.action.arguments),
        *approval.reasons,
    )
    return " ".join(parts).casefold()
