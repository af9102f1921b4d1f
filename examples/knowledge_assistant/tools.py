"""What the assistant can do besides answering: open a ticket, list one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from concertmaster.errors import ToolError
from concertmaster.tools import ToolContext, declare

from . import store  # noqa: TID252


class Ticket(TypedDict):
    """An opened ticket."""

    id: str
    place: str
    team: str
    priority: str


class Tickets(TypedDict):
    """The open tickets of one person, the newest first."""

    count: int
    summary: str


class TicketFacts(TypedDict):
    """How many tickets the person has open, this call's own aside."""

    open_tickets: int


def setup(data_dir: Path) -> None:
    """Make the list of tickets."""
    store.create(data_dir)


@declare(effect="read", label="internal", trusted=True)
def list_my_tickets(ctx: ToolContext) -> Tickets:
    """List the open tickets of the person on whose behalf this runs."""
    with store.opened(ctx.data_dir) as tickets:
        found = store.rows(
            tickets,
            "SELECT number, place FROM tickets WHERE opened_by = ? AND state = 'open'"
            " ORDER BY number DESC",
            ctx.principal.id,
        )
    told = "; ".join(f"{_ticket_id(t['number'])}, {t['place']}" for t in found)
    return Tickets(count=len(found), summary=told)


def _facts(arguments: Mapping[str, Any], ctx: ToolContext) -> TicketFacts:
    with store.opened(ctx.data_dir) as tickets:
        counted = store.rows(
            tickets,
            "SELECT count(*) AS open FROM tickets WHERE opened_by = ? AND state = 'open'"
            " AND idempotency_key != ?",
            ctx.principal.id,
            ctx.idempotency_key,
        )
    return TicketFacts(open_tickets=counted[0]["open"])


def _opened(arguments: Mapping[str, Any], ctx: ToolContext) -> Ticket | None:
    with store.opened(ctx.data_dir) as tickets:
        found = store.rows(
            tickets, "SELECT * FROM tickets WHERE idempotency_key = ?", ctx.idempotency_key
        )
    if not found:
        return None
    ticket = found[0]
    return Ticket(
        id=_ticket_id(ticket["number"]),
        place=ticket["place"],
        team=ticket["team"],
        priority=ticket["priority"],
    )


@declare(
    effect="write",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=_facts,
    reconcile=_opened,
)
def open_ticket(
    summary: Annotated[str, Field(min_length=3, max_length=600)],
    place: Annotated[str, Field(min_length=2, max_length=100)],
    team: Literal["it_service", "facilities"],
    priority: Literal["normal", "high"],
    ctx: ToolContext,
) -> Ticket:
    """Open a ticket for something that is broken."""
    with store.opened(ctx.data_dir) as tickets:
        tickets.execute(
            "INSERT INTO tickets (opened_by, summary, place, team, priority, idempotency_key)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (idempotency_key) DO NOTHING",
            (ctx.principal.id, summary, place, team, priority, ctx.idempotency_key),
        )
    ticket = _opened({}, ctx)
    if ticket is None:
        raise ToolError("the ticket was not stored")
    return ticket


def _ticket_id(number: int) -> str:
    return f"T-{200 + number}"
