"""A run as a timeline: every event of its trail as one line, with its reason and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from concertmaster.cli.console import safe, styled
from concertmaster.contracts import Approval, AuditEvent, RunRecord

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["STATUS_STYLES", "badge", "counted", "spent", "timeline"]

STATUS_STYLES: Mapping[str, str] = {
    "answered": "green",
    "awaiting_review": "yellow",
    "queued": "bright_black",
    "running": "blue",
    "escalated": "magenta",
    "refused": "red",
    "failed": "bold red",
    "cancelled": "bright_black",
}

_KINDS: Mapping[str, tuple[str, str]] = {
    "run": ("run", "blue"),
    "intake": ("intake", "bright_black"),
    "route": ("hop", "bold"),
    "intent": ("intent", "cyan"),
    "retrieval": ("evidence", "cyan"),
    "model": ("model", "cyan"),
    "plan": ("plan", "cyan"),
    "policy": ("policy", "yellow"),
    "approval": ("approval", "yellow"),
    "tool": ("tool", "green"),
    "effect": ("effect", "green"),
    "step": ("step", "cyan"),
    "draft": ("draft", "cyan"),
    "critic": ("critic", "cyan"),
    "knowledge": ("knowledge", "bright_black"),
}
_CALLS = frozenset({"tool.called", "effect.done", "effect.failed", "effect.in_doubt"})
_BAD = frozenset(
    {"tool.refused", "effect.failed", "effect.in_doubt", "step.failed", "model.failed"}
)


def badge(status: str) -> str:
    """Return a status as people read it."""
    return status.replace("_", " ")


def timeline(
    record: RunRecord, events: Sequence[AuditEvent], approvals: Sequence[Approval]
) -> RenderableType:
    """Return a run from its message to its outcome, 80 columns wide or more."""
    from rich.console import Group
    from rich.padding import Padding

    head = styled(record.id, "bold")
    head.append("  ")
    head.append(badge(record.status), style=STATUS_STYLES.get(record.status, ""))
    head.append(f"  {record.created[:19].replace('T', ' ')} UTC", style="dim")
    parts: list[RenderableType] = [head]
    said = styled(f"{record.principal.id}: ", "dim")
    said.append(safe(record.text))
    parts.append(Padding(said, (0, 0, 0, 2)))
    if events:
        parts.append(_table(events, {a.id: a for a in approvals}))
    if record.outcome is not None:
        parts.append(Padding(_ending(record, events), (0, 0, 0, 2)))
    return Group(*parts)


def spent(events: Sequence[AuditEvent]) -> dict[str, Any]:
    """Return what a run spent, counted from its events: calls, tokens, money in USD."""
    called = [e.data for e in events if e.type == "model.called"]
    return {
        "tool_calls": sum(e.type in _CALLS for e in events),
        "model_calls": len(called),
        "input_tokens": sum(data.get("input_tokens") or 0 for data in called),
        "output_tokens": sum(data.get("output_tokens") or 0 for data in called),
        "cost": sum(known) if (known := [d["cost"] for d in called if d.get("cost")]) else None,
    }


def counted(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _table(events: Sequence[AuditEvent], approvals: Mapping[str, Approval]) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", width=9, style="dim", no_wrap=True)
    table.add_column(width=9, no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    table.expand = True
    begun = _moment(events[0])
    for event in events:
        kind, style = _KINDS.get(event.type.partition(".")[0], (event.type, ""))
        if event.type in _BAD:
            style = "red"
        table.add_row(
            _after(begun, _moment(event)),
            styled(kind, style),
            styled(_line(event, approvals), "bold" if kind == "hop" else ""),
        )
    return table


def _moment(event: AuditEvent) -> datetime:
    return datetime.fromisoformat(event.time)


def _after(begun: datetime, moment: datetime) -> str:
    seconds = max(0.0, (moment - begun).total_seconds())
    if seconds < 10:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 600:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 36000 else f"{seconds / 3600:.0f} h"


def _line(event: AuditEvent, approvals: Mapping[str, Approval]) -> str:
    teller = _TELLERS.get(event.type)
    return teller(event, approvals) if teller else _plain(event)


def _plain(event: AuditEvent) -> str:
    word = event.type.partition(".")[2].replace("_", " ")
    return f"{word}: {event.why}"


def _hop(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    data = event.data
    owner = f" ({data['owner']})" if data.get("owner") else ""
    return f"{data.get('hop', '')} → {data.get('to', '?')}{owner}: {event.why}"


def _intent(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    data = event.data
    name = data.get("intent") or "out of scope"
    return f"{name} {data.get('confidence', 0):.2f} ({data.get('method', '?')}): {event.why}"


def _evidence(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    found = event.data.get("evidence")
    if not isinstance(found, list) or not found:
        return event.why
    best: dict[str, float] = {}
    for passage in found:
        best.setdefault(str(passage.get("document")), float(passage.get("score") or 0))
    listed = ", ".join(f"{document} ({score:.2f})" for document, score in best.items())
    return f"{event.why}: {listed}"


def _model(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    data = event.data
    name = str(data.get("model") or "")
    text = event.why if event.why.startswith(name) else f"{name}: {event.why}"
    if event.type == "model.called" and "input_tokens" in data:
        text += f", {data.get('input_tokens', 0)} + {data.get('output_tokens', 0)} tokens"
        if data.get("cost"):
            text += f", ${data['cost']:.4f}"
    return text


def _plan(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    tool = event.data.get("tool")
    return f"{event.data.get('position')}. {tool}: {event.why}" if tool else event.why


def _policy(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    data = event.data
    verdict = data.get("decision") or ("refused" if event.type == "tool.refused" else "decided")
    rules = data.get("policies")
    by = f" [{', '.join(map(str, rules))}]" if rules else ""
    tool = data.get("tool") or "a call"
    at = " again, before it runs" if event.actor == "act" else ""
    return f"{tool}: {verdict}{at}{by}: {event.why}"


def _approval(event: AuditEvent, approvals: Mapping[str, Approval]) -> str:
    data = event.data
    id_ = str(data.get("approval", "?"))
    tool = data.get("tool") or ""
    match event.type:
        case "approval.requested":
            needs = ", ".join(f"{n['count']} × {n['role']}" for n in data.get("needs", ()))
            approval = approvals.get(id_)
            call = _arguments(approval.action.arguments) if approval else ""
            return f"{id_} requested for {tool}{call}: {event.why} (needs {needs})"
        case "approval.answered":
            role = f" as {data['role']}" if data.get("role") else ""
            return f"{id_} {data.get('answer')} by {event.actor}{role}: {event.why}"
        case "approval.refused":
            return f"{id_}: the answer of {event.actor} was refused: {event.why}"
    return f"{id_} {event.type.partition('.')[2]}: {event.why}"


def _arguments(arguments: Mapping[str, Any]) -> str:
    return "(" + ", ".join(f"{k}={v!r}" for k, v in arguments.items()) + ")"


def _tool(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    data = event.data
    return f"{data.get('tool', '?')} {data.get('status', '')}: {event.why}"


def _effect(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    word = event.type.partition(".")[2].replace("_", " ")
    return f"{event.data.get('tool', '?')} {word}: {event.why}"


def _step(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    if event.type == "step.failed" and event.data.get("fallback"):
        return f"{event.why}; fallback: {event.data['fallback']}"
    return f"{event.actor}: {event.why}"


def _critic(event: AuditEvent, _: Mapping[str, Approval]) -> str:
    data = event.data
    supported = data.get("supported")
    share = f" ({supported:.0%} supported)" if isinstance(supported, int | float) else ""
    found = "".join(f"; {_finding(one)}" for one in (data.get("findings") or ())[:3])
    return f"{data.get('status', '?')}{share}: {event.why}{found}"


def _finding(finding: Mapping[str, Any]) -> str:
    sentence = finding.get("sentence")
    where = f"sentence {sentence + 1}: " if isinstance(sentence, int) else ""
    return f"{where}{finding.get('why')} ({finding.get('check')})"


_TELLERS: Mapping[str, Any] = {
    "route.hop": _hop,
    "intent.classified": _intent,
    "retrieval.done": _evidence,
    "model.chosen": _model,
    "model.called": _model,
    "model.failed": _model,
    "plan.proposed": _plan,
    "policy.decided": _policy,
    "tool.refused": _policy,
    "approval.requested": _approval,
    "approval.answered": _approval,
    "approval.refused": _approval,
    "approval.voided": _approval,
    "approval.overdue": _approval,
    "approval.claimed": _approval,
    "approval.released": _approval,
    "approval.untold": _approval,
    "tool.called": _tool,
    "effect.intended": _effect,
    "effect.done": _effect,
    "effect.failed": _effect,
    "effect.in_doubt": _effect,
    "effect.reused": _effect,
    "step.failed": _step,
    "step.custom": _step,
    "critic.judged": _critic,
}


def _ending(record: RunRecord, events: Sequence[AuditEvent]) -> RenderableType:
    outcome = record.outcome
    assert outcome is not None
    text = styled(badge(outcome.status), STATUS_STYLES.get(outcome.status, ""))
    if outcome.owner:
        text.append(f", with {safe(outcome.owner)}")
    if outcome.cause:
        text.append(f" ({safe(outcome.cause)})", style="dim")
    if outcome.text:
        text.append(f": {safe(outcome.text)}")
    text.append(f"\n{_spent(spent(events))}", style="dim")
    return text


def _spent(usage: Mapping[str, Any]) -> str:
    tools, models = counted(usage["tool_calls"], "tool call"), usage["model_calls"]
    if not models:
        return f"spent: {tools}, no model"
    price = "price unknown" if usage["cost"] is None else f"${usage['cost']:.4f}"
    return (
        f"spent: {tools}, {counted(models, 'model call')}, {usage['input_tokens']} +"
        f" {usage['output_tokens']} tokens, {price}"
    )
