"""Everything that a reviewer looks at before deciding, read from the stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from concertmaster.contracts import Approval, AuditEvent, Evidence, RunRecord, ValueOrigin, digest
from concertmaster.orchestrator.desk import Desk
from concertmaster.policies.approvals import unknown_approval
from concertmaster.tools.declaration import Tool

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["Case", "Said", "Stop", "Value", "gather"]

_MOST_MESSAGES = 50
_MOST_STATES = 60


@dataclass(frozen=True, kw_only=True)
class Value:
    """An argument with where its values came from."""

    name: str
    value: Any
    origins: tuple[ValueOrigin, ...]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A rule that asked for people. `rule` is empty where a step's declaration did."""

    rule: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message of the conversation; `mine` tells that the run of the approval answers it."""

    run: str
    who: str
    text: str
    answer: str
    status: str
    mine: bool
    time: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One approval with what belongs to it. `tool` is None if the workspace has it no more.

    `evidence` are the passages to which the approval is bound and that can still be read; of
    `missing` others only the digests are left.
    """

    workflow: str
    approval: Approval
    record: RunRecord
    tool: Tool | None
    values: tuple[Value, ...]
    stops: tuple[Stop, ...]
    evidence: tuple[Evidence, ...]
    missing: int
    conversation: tuple[Said, ...]
    told: tuple[AuditEvent, ...]


async def gather(desk: Desk, approval: Approval) -> Case:
    """Return the case of an approval.

    Raises:
        ApprovalUnknown: its run was erased.
        StorageError: something stored cannot be read.
    """
    record = await desk.runs.get(approval.run)
    events = await desk.events(run=approval.run)
    evidence = await _evidence(desk, approval)
    toolbox = desk.services.toolbox
    name = approval.action.tool
    if record.thread != approval.thread:
        raise unknown_approval(approval.id)
    return Case(
        workflow=desk.name,
        approval=approval,
        record=record,
        tool=toolbox[name] if name in toolbox.names else None,
        values=_values(approval),
        stops=_stops(approval, events),
        evidence=evidence,
        missing=len(approval.evidence) - len(evidence),
        conversation=await _conversation(desk, record),
        told=tuple(e for e in events if _about(e, approval)),
    )


def _values(approval: Approval) -> tuple[Value, ...]:
    known = approval.provenance.values if approval.provenance else ()
    return tuple(
        Value(name=name, value=value, origins=tuple(o for o in known if o.argument == name))
        for name, value in approval.action.arguments.items()
    )


def _stops(approval: Approval, events: list[AuditEvent]) -> tuple[Stop, ...]:
    """Return the rules that sent this very call to people, and the reasons that they gave."""
    call = approval.action.call_digest()
    decided = [
        event
        for event in events
        if event.type == "policy.decided"
        and event.data.get("decision") == "review"
        and event.data.get("position") == approval.position
        and event.data.get("call") == call
    ]
    rules = [str(rule) for event in decided for rule in event.data.get("policies") or ()]
    named = list(dict.fromkeys(rules))
    reasons = list(approval.reasons) or [approval.action.why]
    if len(named) == len(reasons):
        return tuple(Stop(rule=r, sentence=s) for r, s in zip(named, reasons, strict=True))
    return tuple(
        Stop(rule=", ".join(named) if i == 0 else "", sentence=sentence)
        for i, sentence in enumerate(reasons)
    )


async def _evidence(desk: Desk, approval: Approval) -> tuple[Evidence, ...]:
    """Return the passages whose digests the approval is bound to, as the thread's state has them.

    State is no authority: a passage counts as evidence only if its digest is the stored one.
    """
    if not approval.evidence:
        return ()
    config: RunnableConfig = {"configurable": {"thread_id": approval.thread}}
    found = _passages((await desk.graph.aget_state(config)).values)
    if not found.keys() >= set(approval.evidence):
        # The thread has gone on since; an earlier state may still be there.
        async for state in desk.graph.aget_state_history(config, limit=_MOST_STATES):
            found |= _passages(state.values)
            if found.keys() >= set(approval.evidence):
                break
    return tuple(found[bound] for bound in approval.evidence if bound in found)


def _passages(values: Mapping[str, Any] | None) -> dict[str, Evidence]:
    """Return the passages of a state by their digests."""
    found: dict[str, Evidence] = {}
    turn = (values or {}).get("turn") or {}
    for raw in ((turn.get("retrieved") or {}).get("evidence")) or ():
        try:
            passage = Evidence.model_validate(raw)
        except ValidationError:
            continue
        found[digest(passage.model_dump(mode="json"))] = passage
    return found


async def _conversation(desk: Desk, record: RunRecord) -> tuple[Said, ...]:
    """Return what was said on the thread up to the run that waits."""
    said = []
    for run in await desk.runs.of_thread(record.thread):
        said.append(
            Said(
                run=run.id,
                who=run.principal.id,
                text=run.text,
                answer=run.outcome.text if run.outcome else "",
                status=run.status,
                mine=run.id == record.id,
                time=run.created,
            )
        )
        if run.id == record.id:
            break
    return tuple(said[-_MOST_MESSAGES:])


def _about(event: AuditEvent, approval: Approval) -> bool:
    return event.type.startswith("approval.") and event.data.get("approval") == approval.id
