"""Calls of which nobody knows whether they took effect, and ledger against trail. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.contracts import FINAL, RunRecord
from concertmaster.orchestrator.doctor.attendance import attended, later_than
from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.finding import Finding, Severity
from concertmaster.orchestrator.doctor.snapshot import Snapshot, Told
from concertmaster.tools.effect_records import EffectRecord, idempotency_key
from concertmaster.tools.sealing import breaks_seal

__all__ = ["check_calls"]

_CHANGED = (
    "somebody changed the database from outside: ask whoever owns the tool what happened, then"
    " restore a backup"
)


def check_calls(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    """Yield what is wrong with calls that change the world."""
    if not seen.read("effects"):
        return
    runs = {run.id: run for run in seen.runs}
    for row in seen.effects:
        run = runs.get(row.run)
        if row.status == "in_doubt" or (row.status == "intended" and _cut_off(seen, row, run)):
            yield _in_doubt(seen, row, run, commands)
    if seen.read("trail"):
        yield from _against_the_trail(seen, commands)


def _cut_off(seen: Snapshot, row: EffectRecord, run: RunRecord | None) -> bool:
    if run is None or run.status in FINAL:
        return True
    return not attended(seen, run) or later_than(seen, row.begun, seen.bounds.stalled)


def _in_doubt(
    seen: Snapshot, row: EffectRecord, run: RunRecord | None, commands: Commands
) -> Finding:
    told = f" ({row.why})" if row.why and row.status == "in_doubt" else ""
    known = f"{row.tool} was begun, and nobody knows whether it took effect{told}."
    facts = [known, _abilities(seen, row)]
    severity: Severity = "problem"
    if run is not None and run.status not in FINAL:
        facts.append("Its run has not ended, and no person was asked.")
        mend, command = _taken_up(seen, row), commands.recover()
    else:
        owner = run.outcome.owner if run and run.outcome and run.status == "escalated" else None
        if owner:
            severity = "attention"
            facts.append(f"Its run ended as escalated: {owner} has it.")
        elif run is None:
            facts.append("Its run is not there any more, and nobody is asked.")
        else:
            facts.append(f"Its run ended as {run.status}, and no person was asked.")
        mend = f"look up at the tool what became of key {row.key}, then note it"
        mend += " (--no-effect if nothing happened)"
        command = commands.settle(row.run, row.position)
    return Finding(
        code="call.in_doubt",
        severity=severity,
        kind="call",
        id=_id(row.run, row.position),
        what=" ".join(facts),
        since=row.begun,
        mend=mend,
        command=command,
    )


def _abilities(seen: Snapshot, row: EffectRecord) -> str:
    """Say what is known of the tool: whether it may be called again, whether it can tell."""
    again = "A second call does no harm" if row.idempotent else "A second call would act again"
    if seen.declared is None:
        return f"{again}."
    tool = seen.declared.tools.get(row.tool)
    if tool is None:
        return f"{again}; the workspace declares no such tool any more."
    looks = "it can look up what happened" if tool.reconciles else "it cannot look up what happened"
    return f"{again}; {looks}."


def _taken_up(seen: Snapshot, row: EffectRecord) -> str:
    tool = seen.declared.tools.get(row.tool) if seen.declared else None
    if row.idempotent and (tool is None or tool.idempotent):
        return "open the desk, which makes the call again under the same key"
    if tool is not None and tool.reconciles:
        return "open the desk, which has the tool look it up"
    owner = seen.declared.owner if seen.declared else None
    return f"open the desk, which makes no second call and gives it to {owner or 'the owner'}"


def _against_the_trail(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    last = {(told.run, told.position): told for told in seen.told}
    unreadable = {u.id for u in seen.unread if u.part == "effects" and u.id}
    rows = {(row.run, row.position): row for row in seen.effects}
    for place, row in rows.items():
        what = _difference(seen, row, last.get(place))
        if what is not None:
            code, words = what
            yield _contradiction(code, words, place, row.begun, _trail(seen, place[0], commands))
    for place, told in last.items():
        if place not in rows and _id(*place) not in unreadable:
            words = f"The trail tells of a call that is {told.status}, and the ledger has none."
            command = _trail(seen, place[0], commands)
            yield _contradiction("call.missing", words, place, told.time, command)


def _difference(seen: Snapshot, row: EffectRecord, told: Told | None) -> tuple[str, str] | None:
    if row.key != idempotency_key(row.run, row.position):
        return "call.changed", f"The key in the ledger is not that of this call of {row.tool}."
    if told is None:
        if _was_erased(seen, row) or row.run in seen.faded:
            return None
        words = f"The ledger says that {row.tool} is {_said(row.status)}, and the trail tells of"
        return "call.untold", f"{words} no such call."
    if told.status != row.status:
        words = f"The ledger says that {row.tool} is {_said(row.status)}, and the trail"
        return "call.changed", f"{words} says {_said(told.status)}."
    if told.call is not None and told.call != row.digest:
        return "call.changed", f"The ledger has another call of {row.tool} than the trail tells of."
    sealed = row.status == "done" and not _was_erased(seen, row)
    if sealed and breaks_seal(told.sealed, row.result, row.reference):
        words = f"The result of {row.tool} in the ledger is not the one that was recorded."
        return "call.result_changed", words
    return None


def _was_erased(seen: Snapshot, row: EffectRecord) -> bool:
    """Tell whether a row was blanked with its run or its thread, which went on purpose."""
    blank = row.result is None and row.reference is None and not row.why
    forgotten = seen.erased and row.thread is None
    return blank and row.run not in seen.columns and (forgotten or row.run in seen.retired)


def _contradiction(
    code: str, words: str, place: tuple[str, int], since: str, command: str
) -> Finding:
    return Finding(
        code=code,
        severity="problem",
        kind="call",
        id=_id(*place),
        what=words,
        since=since,
        mend=_CHANGED,
        command=command,
    )


def _trail(seen: Snapshot, run: str, commands: Commands) -> str:
    return commands.why(run) if run in seen.columns else commands.told(run)


def _id(run: str, position: int) -> str:
    return f"{run} {position}"


def _said(status: str) -> str:
    return status.replace("_", " ")
