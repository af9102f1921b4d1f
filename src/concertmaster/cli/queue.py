"""Approvals as people read them: a list to work through, and one in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from concertmaster.cli.console import note, put, safe, styled
from concertmaster.contracts import Approval, ReviewNeed, RunRecord, now

if TYPE_CHECKING:
    from concertmaster.cli.records import Records

__all__ = ["show_approval", "show_queue"]

_STYLES = {
    "pending": "yellow",
    "approved": "green",
    "edited": "cyan",
    "rejected": "red",
    "responded": "cyan",
    "void": "bright_black",
}


def show_queue(found: Sequence[tuple[Records, Approval]], status: str) -> None:
    """Print approvals as a list, oldest first in each home."""
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
        put(line)
        put(styled(f"  {_call(approval)} for {approval.requester}"))
        for reason in approval.reasons:
            put(styled(f"  {reason}", "dim"))
    note("\nconcertmaster approvals show ID, then approve, edit, reject or respond ID --as WHO")


def show_approval(approval: Approval, record: RunRecord) -> None:
    """Print one approval in full."""
    head = styled(approval.id, "bold")
    head.append(f"  {approval.status}", style=_STYLES.get(approval.status, ""))
    head.append(f"  {age(approval.created)}", style="dim")
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
        told = f": {said}" if said else ""
        put(styled(f"  {vote.by} as {vote.role}, {age(vote.at)}: {vote.answer.kind}{told}"))


def age(moment: str) -> str:
    """Return how long ago a moment was, in the largest fitting unit."""
    seconds = max(0, int((now() - datetime.fromisoformat(moment)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _needs(needs: Sequence[ReviewNeed]) -> str:
    return " and ".join(f"{n.count} × {n.role}" for n in needs)


def _call(approval: Approval) -> str:
    arguments = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in approval.action.arguments.items()
    )
    return f"{approval.action.tool}({arguments})"
