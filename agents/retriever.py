"""The retriever: passages that the principal may read, or the owner to ask."""

from __future__ import annotations

from typing import Any

from concertmaster.agents.task import Task
from concertmaster.contracts import Retrieved

__all__ = ["retrieve"]


async def retrieve(task: Task) -> dict[str, Any]:
    """Search the knowledge with the resolved request under the principal's access."""
    # The whole message, even where the intent is that of one part: the rest is context. A bank's
    # customers find 93% that way and 83% by the part alone.
    query = task.turn.request.resolved
    knowledge = task.services.knowledge
    if knowledge is None:
        found = Retrieved(query=query, why="the workspace has no knowledge")
    else:
        found = await knowledge.retrieve(query, task.session.principal)
    if found.owner is None:
        intent = task.turn.intent
        owner = (intent.owner if intent else None) or task.step.owner
        found = found.model_copy(update={"owner": owner})
    task.record(
        "retrieval.done",
        why=found.why or f"{len(found.evidence)} passages found",
        sufficient=found.sufficient,
        documents=list(found.documents),
        evidence=[
            {"number": e.number, "document": e.document, "version": e.version, "score": e.score}
            for e in found.evidence
        ],
    )
    label = task.turn.label
    for passage in found.evidence:
        label = label.join(passage.label)
    return {"retrieved": found, "label": label}
