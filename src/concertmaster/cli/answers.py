"""How a run is told in a terminal: the answer with its sources, and what it waits for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.cli.console import note, put, safe, styled
from concertmaster.cli.timeline import STATUS_STYLES, badge

if TYPE_CHECKING:
    from rich.text import Text

    from concertmaster.contracts import Approval, Citation, Outcome, Principal, StreamEvent
    from concertmaster.orchestrator.run import Run

__all__ = [
    "call_text",
    "deciders",
    "decision_command",
    "run_json",
    "show_pending",
    "show_run",
    "sources",
    "step_line",
]


def sources(citations: Iterable[Citation]) -> list[str]:
    """Return one line for each document that an answer cites: its passages' numbers and places.

    `[1][2] Card fees (fees.pdf): Limits, p. 3; Abroad, p. 7`
    """
    numbers: dict[str, set[int]] = {}
    places: dict[str, dict[str, None]] = {}
    for citation in sorted(citations, key=lambda c: c.number):
        document = f"{citation.title} ({citation.document})"
        numbers.setdefault(document, set()).add(citation.number)
        if citation.place:
            places.setdefault(document, {})[citation.place] = None
    return [
        f"{''.join(f'[{number}]' for number in sorted(used))} {document}"
        + (f": {'; '.join(places[document])}" if document in places else "")
        for document, used in numbers.items()
    ]


def show_run(run: Run, *, home: Path | None, people: Sequence[Principal], ms: float | None) -> None:
    """Print the answer and its sources as the result, the rest as a remark."""
    put(styled(_answer(run.outcome)))
    listed = sources(run.outcome.citations)
    if listed:
        put(styled("\n".join(["", *listed]), "dim"))
    for approval in run.pending:
        put("")
        show_pending(approval, home=home, people=people)
    took = f" in {ms:.0f} ms" if ms is not None else ""
    cause = f", {run.outcome.cause}" if run.outcome.cause else ""
    text = styled(badge(run.status), STATUS_STYLES.get(run.status, ""))
    text.append(f"{took}{safe(cause)}; thread {safe(run.thread)}, {run.id}", style="dim")
    note(text)


def _answer(outcome: Outcome) -> str:
    return outcome.text or badge(outcome.status)


def show_pending(approval: Approval, *, home: Path | None, people: Sequence[Principal]) -> None:
    """Print what waits for a person and the commands that decide it."""
    needs = " and ".join(f"{n.count} × {n.role}" for n in approval.needs)
    put(styled(f"{approval.id} waits for {needs}: {call_text(approval)}", "yellow"))
    for reason in approval.reasons:
        put(styled(f"  {reason}"))
    put(styled(f"  {decision_command('approve', approval, home, people)}", "bold"))
    put(styled(f"  {decision_command('reject', approval, home, people)} --reason '…'"))


def call_text(approval: Approval) -> str:
    """Return the call that waits, with its arguments as JSON."""
    arguments = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in approval.action.arguments.items()
    )
    return f"{approval.action.tool}({arguments}) for {approval.requester}"


def deciders(approval: Approval, people: Sequence[Principal]) -> list[str]:
    """Return the ids of those who could decide: one of the roles, and not the requester."""
    roles = {need.role for need in approval.needs}
    return [p.id for p in people if roles & set(p.roles) and p.id != approval.requester]


def decision_command(
    verb: str, approval: Approval, home: Path | None, people: Sequence[Principal]
) -> str:
    """Return the command line that decides an approval."""
    able = deciders(approval, people)
    where = f" --home {shlex.quote(str(home))}" if home is not None else ""
    return f"concertmaster approvals {verb} {approval.id} --as {able[0] if able else 'WHO'}{where}"


def step_line(event: StreamEvent) -> Text | None:
    """Return one dim line for a step that people want to see, or None."""
    match event.kind:
        case "hopped":
            return styled(f"  → {event.to}: {event.why}", "dim")
        case "action_changed":
            told = f": {event.why}" if event.why else ""
            return styled(f"    {event.tool} {badge(event.status)}{told}", "dim")
        case "approval_requested":
            approval = event.approval
            return styled(f"    {approval.action.tool} waits: {approval.id}", "dim yellow")
    return None


def run_json(run: Run, ms: float | None = None) -> Mapping[str, Any]:
    """Return a run as one JSON document."""
    return {
        "run": run.id,
        "thread": run.thread,
        "principal": run.principal,
        "text": run.text,
        "status": run.status,
        "outcome": run.outcome.model_dump(mode="json"),
        "pending": [a.model_dump(mode="json") for a in run.pending],
        "ms": round(ms, 1) if ms is not None else None,
    }
