"""Approvals as people read them: a list to work through, and one in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from concertmaster.cli.console import note, put, safe, styled
from concertmaster.contracts import Approval, AuditEvent, ReviewNeed, RunRecord, now
from concertmaster.contracts.deadline import utc
from concertmaster.policies.deadlines import overdue
from concertmaster.policies.slots import live

if TYPE_CHECKING:
    from concertmaster.cli.records import Records

__all__ = ["age", "history", "in_order", "is_overdue", "show_approval", "show_queue"]

_STYLES = {
    "pending": "yellow",
    "approved": "green",
    "edited": "cyan",
    "rejected": "red",
    "responded": "cyan",
    "void": "bright_black",
}


def show_queue(found: Sequence[tuple[Records, Approval]], status: str) -> None:
    """Print approvals as a list, home by home."""
    if not found:
        note("nothing waits for a person" if status == "pending" else f"no approval is {status}")
        return
    home = None
    for records, approval in found:
        if records.home != home:
            home = records.home
            put(styled(f"{records.label}  {home}", "dim"))
        line = styled(approval.id, "bold")
        line.append(f"  {approval.status}", style=_STYLES.get(approval.status, ""))
        line.append(f"  needs {_needs(approval.needs)}  {age(approval.created)}", style="dim")
        line.append(*_time(approval))
        put(line)
        put(styled(f"  {_call(approval)} for {approval.requester}"))
        for reason in approval.reasons:
            put(styled(f"  {reason}", "dim"))
    if any(is_overdue(approval) for _, approval in found):
        note("\nwhat is overdue cannot be approved; concertmaster approvals sweep closes it")
    note("\nconcertmaster approvals show ID, then approve, edit, reject or respond ID --as WHO")


def in_order(found: Sequence[Approval]) -> list[Approval]:
    """Return approvals in the order of their urgency: overdue, due next, oldest."""
    return sorted(
        found, key=lambda a: (not is_overdue(a), a.status != "pending", a.due or "~", a.created)
    )


def is_overdue(approval: Approval) -> bool:
    """Tell whether an approval is overdue by now."""
    return overdue(approval, utc(now()))


def history(approval: Approval, events: Sequence[AuditEvent]) -> list[dict[str, Any]]:
    """Return what happened to an approval, in order: when, what, who, why."""
    return [
        {
            "time": event.time,
            "what": event.type.partition(".")[2],
            "who": event.actor,
            "why": event.why,
        }
        for event in events
        if event.type.startswith("approval.") and event.data.get("approval") == approval.id
    ]


def show_approval(
    approval: Approval, record: RunRecord, told: Sequence[dict[str, Any]] = ()
) -> None:
    """Print one approval in full, and its history."""
    head = styled(approval.id, "bold")
    head.append(f"  {approval.status}", style=_STYLES.get(approval.status, ""))
    head.append(f"  {age(approval.created)}", style="dim")
    head.append(*_time(approval))
    put(head)
    rows = [
        ("call", approval.action.tool),
        ("arguments", json.dumps(approval.action.arguments, indent=2, ensure_ascii=False)),
        ("for", approval.requester),
        ("message", record.text),
        ("why", "; ".join(approval.reasons) or approval.action.why),
        *(("origin", concern) for concern in approval.concerns()),
        ("planned", approval.action.why),
        ("needs", _needs(approval.needs)),
        *_term(approval),
        ("run", f"{approval.run} on thread {approval.thread}, {record.status}"),
        ("evidence", f"{len(approval.evidence)} passages"),
        ("digest", approval.digest),
    ]
    for name, value in rows:
        indented = safe(value).replace("\n", "\n" + " " * 12)
        line = styled(f"  {name:<10}", "dim")
        line.append(indented)
        put(line)
    for vote in approval.votes:
        said = getattr(vote.answer, "reason", "") or getattr(vote.answer, "text", "")
        words = f": {said}" if said else ""
        role = f" as {vote.role}" if vote.role else ""
        put(styled(f"  {vote.by}{role}, {age(vote.at)}: {vote.answer.kind}{words}"))
    if told:
        put(styled("\n  history", "dim"))
    for event in told:
        time = event["time"][:19].replace("T", " ")
        put(styled(f"  {time} UTC  {event['what']} by {event['who']}: {event['why']}", "dim"))


def age(moment: str) -> str:
    """Return how long ago a moment was, in the largest fitting unit."""
    return f"{_span((now() - datetime.fromisoformat(moment)).total_seconds())} ago"


def _span(seconds: float) -> str:
    whole = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def _time(approval: Approval) -> tuple[str, str]:
    """Return how long people still have and who has taken it on, with a style."""
    if approval.status != "pending":
        return "", ""
    told, style = "", "dim"
    if approval.due is not None:
        left = (datetime.fromisoformat(approval.due) - now()).total_seconds()
        told = f"  due in {_span(left)}" if left > 0 else f"  overdue for {_span(-left)}"
        style = "bold red" if left <= 0 else "dim"
    for claim in live(approval, utc(now())):
        told += f"  claimed by {claim.by} until {_moment(claim.until)}"
    return safe(told), style


def _term(approval: Approval) -> list[tuple[str, str]]:
    rows = []
    if approval.due and approval.deadline:
        then = f"then {approval.deadline.then.replace(':', ' to ')}"
        rows.append(("due", f"{_moment(approval.due)}, {then}"))
    if approval.replaces:
        rows.append(("replaces", f"{approval.replaces}, which asked {_needs(approval.instead_of)}"))
    return rows


def _moment(stored: str) -> str:
    return f"{stored[:16].replace('T', ' ')} UTC"


def _needs(needs: Sequence[ReviewNeed]) -> str:
    return " and ".join(f"{n.count} × {n.role}" for n in needs)


def _call(approval: Approval) -> str:
    arguments = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in approval.action.arguments.items()
    )
    return f"{approval.action.tool}({arguments})"
