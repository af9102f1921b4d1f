"""What the delivery desk can do: read a ticket and its change, attach a test plan, merge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from concertmaster.errors import ToolError
from concertmaster.tools import ToolContext, declare

from . import risk, store  # noqa: TID252

TicketId = Annotated[str, Field(pattern=r"^[A-Za-z]{2}-[0-9]{1,6}$")]
Case = Annotated[str, Field(min_length=1, max_length=300)]


class Ticket(TypedDict):
    """A ticket with its acceptance criteria."""

    found: bool
    id: str
    title: str
    criteria: list[str]
    author: str
    state: str


class Touched(TypedDict):
    """One file of a change."""

    path: str
    lines: int
    area: str


class Changed(TypedDict):
    """The files of a ticket's change."""

    files: list[Touched]
    count: int
    summary: str


class Owners(TypedDict):
    """The code areas that a change touches, and the roles that own them."""

    areas: list[str]
    roles: list[str]
    summary: str


class Plan(TypedDict):
    """An attached test plan."""

    plan: str
    ticket: str
    risk: str
    cases: int


class Merged(TypedDict):
    """A merged change."""

    merge: str
    ticket: str
    requested_by: str


class PlanFacts(TypedDict):
    """What the repository says of the change, whatever the caller says."""

    author: str
    state: str
    risk: str


class MergeFacts(TypedDict):
    """What the repository says of the change that is to be merged."""

    author: str
    state: str
    risk: str
    areas: list[str]
    tests_included: bool
    plan_complete: bool


def setup(data_dir: Path) -> None:
    """Make tickets and changes."""
    store.create(data_dir)


@declare(effect="read", label="internal", trusted=True)
def get_ticket(ticket: TicketId, ctx: ToolContext) -> Ticket:
    """Read a ticket."""
    found = _ticket(ctx.data_dir, ticket)
    if found is None:
        return Ticket(
            found=False, id=ticket.upper(), title="", criteria=[], author="", state="unknown"
        )
    return Ticket(
        found=True,
        id=found["id"],
        title=found["title"],
        criteria=found["criteria"].splitlines(),
        author=found["author"],
        state=found["state"],
    )


@declare(effect="read", label="internal", trusted=True)
def list_changed_files(ticket: TicketId, ctx: ToolContext) -> Changed:
    """List the files that a ticket's change touches, with their code areas."""
    found = _files(ctx.data_dir, ticket)
    return Changed(
        files=[Touched(path=f.path, lines=f.lines, area=f.area) for f in found],
        count=len(found),
        summary=", ".join(f.path for f in found),
    )


@declare(effect="read", label="internal", trusted=True)
def find_code_owner(ticket: TicketId, ctx: ToolContext) -> Owners:
    """Tell which roles own the code that a ticket's change touches."""
    areas = sorted({f.area for f in _files(ctx.data_dir, ticket) if not f.is_test})
    with store.opened(ctx.data_dir) as delivery:
        owners = {
            r["area"]: r["role"]
            for r in store.rows(delivery, "SELECT area, role FROM code_owners ORDER BY prefix")
        }
    return Owners(
        areas=areas,
        roles=sorted({owners[a] for a in areas}),
        summary=", ".join(f"{a} ({owners[a]})" for a in areas),
    )


def _plan_facts(arguments: Mapping[str, Any], ctx: ToolContext) -> PlanFacts:
    ticket = _known(ctx.data_dir, str(arguments["ticket"]))
    assessed = _assessed(ctx.data_dir, ticket)
    return PlanFacts(author=ticket["author"], state=ticket["state"], risk=assessed.risk)


def _attached(arguments: Mapping[str, Any], ctx: ToolContext) -> Plan | None:
    with store.opened(ctx.data_dir) as delivery:
        found = store.row(
            delivery, "SELECT * FROM test_plans WHERE idempotency_key = ?", ctx.idempotency_key
        )
    if found is None:
        return None
    return Plan(
        plan=f"TP-{found['number']}",
        ticket=found["ticket"],
        risk=found["risk"],
        cases=len(json.loads(found["cases"])),
    )


@declare(
    effect="write",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=_plan_facts,
    reconcile=_attached,
    waiver="a test plan changes no code and can be replaced",
)
def attach_test_plan(
    ticket: TicketId,
    risk: Literal["low", "elevated", "high"],
    cases: Annotated[list[Case], Field(min_length=1, max_length=40)],
    ctx: ToolContext,
) -> Plan:
    """Attach the cases that have to be tested to a ticket."""
    known = _known(ctx.data_dir, ticket)
    with store.opened(ctx.data_dir) as delivery:
        delivery.execute("BEGIN IMMEDIATE")
        delivery.execute(
            "INSERT INTO test_plans (ticket, risk, cases, idempotency_key) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (idempotency_key) DO NOTHING",
            (known["id"], risk, json.dumps(cases), ctx.idempotency_key),
        )
    attached = _attached({}, ctx)
    if attached is None:
        raise ToolError("the test plan was not stored")
    return attached


def _merge_facts(arguments: Mapping[str, Any], ctx: ToolContext) -> MergeFacts:
    ticket = _known(ctx.data_dir, str(arguments["ticket"]))
    assessed = _assessed(ctx.data_dir, ticket)
    with store.opened(ctx.data_dir) as delivery:
        plan = store.row(
            delivery,
            "SELECT cases FROM test_plans WHERE ticket = ? ORDER BY number DESC LIMIT 1",
            ticket["id"],
        )
    planned = set(json.loads(plan["cases"])) if plan else set()
    # A merge that this very call made before it was interrupted is no reason to refuse it.
    state = "open" if _merge(arguments, ctx) else ticket["state"]
    return MergeFacts(
        author=ticket["author"],
        state=state,
        risk=assessed.risk,
        areas=list(assessed.areas),
        tests_included=assessed.tests_included,
        plan_complete=plan is not None and planned.issuperset(assessed.cases),
    )


def _merge(arguments: Mapping[str, Any], ctx: ToolContext) -> Merged | None:
    with store.opened(ctx.data_dir) as delivery:
        found = store.row(
            delivery, "SELECT * FROM merges WHERE idempotency_key = ?", ctx.idempotency_key
        )
    if found is None:
        return None
    return Merged(
        merge=f"M-{found['number']}", ticket=found["ticket"], requested_by=found["requested_by"]
    )


@declare(
    effect="irreversible",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=_merge_facts,
    reconcile=_merge,
)
def merge_change(ticket: TicketId, ctx: ToolContext) -> Merged:
    """Merge a ticket's change into the main branch, at most once."""
    known = _known(ctx.data_dir, ticket)
    with store.opened(ctx.data_dir) as delivery:
        delivery.execute("BEGIN IMMEDIATE")
        if known["state"] == "open":
            delivery.execute(
                "INSERT INTO merges (ticket, requested_by, idempotency_key) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (known["id"], ctx.principal.id, ctx.idempotency_key),
            )
            delivery.execute("UPDATE tickets SET state = 'merged' WHERE id = ?", (known["id"],))
    merged = _merge({}, ctx)
    if merged is None:
        raise ToolError(f"the change of {known['id']} has been merged before")
    return merged


def _ticket(data_dir: Path, ticket: str) -> dict[str, Any] | None:
    with store.opened(data_dir) as delivery:
        return store.row(delivery, "SELECT * FROM tickets WHERE id = ?", ticket.upper())


def _known(data_dir: Path, ticket: str) -> dict[str, Any]:
    found = _ticket(data_dir, ticket)
    if found is None:
        raise ToolError("there is no such ticket")
    return found


def _files(data_dir: Path, ticket: str) -> list[risk.ChangedFile]:
    """Return the files of a change; the longest matching prefix gives each its area."""
    with store.opened(data_dir) as delivery:
        found = store.rows(
            delivery,
            "SELECT path, lines, (SELECT area FROM code_owners WHERE"
            " substr(path, 1, length(prefix)) = prefix ORDER BY length(prefix) DESC LIMIT 1)"
            " AS area FROM files WHERE ticket = ? ORDER BY path",
            ticket.upper(),
        )
    return [risk.ChangedFile(f["path"], f["lines"], f["area"]) for f in found]


def _assessed(data_dir: Path, ticket: Mapping[str, Any]) -> risk.Assessment:
    return risk.assess(_files(data_dir, ticket["id"]), ticket["criteria"].splitlines())
