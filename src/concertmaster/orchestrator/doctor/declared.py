"""Reads from a workspace what a home is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.errors import ConcertmasterError
from concertmaster.orchestrator.doctor.snapshot import Declared, ToolSeen, Unread

if TYPE_CHECKING:
    from concertmaster.graphs.workspace import Workspace

__all__ = ["declared_by", "read_workspace"]


def read_workspace(given: Workspace | Path | None) -> tuple[Workspace | None, Unread | None]:
    """Return a workspace, or why it cannot be read. Its own code is imported for that."""
    from concertmaster.graphs.workspace import Workspace

    if isinstance(given, Workspace):
        return given, None
    if given is None:
        return None, Unread(part="workspace", why="where it lies is not noted in the home")
    try:
        return Workspace.load(given), None
    except ConcertmasterError as error:
        return None, Unread(part="workspace", why=error.message.splitlines()[0].rstrip(":"))


def declared_by(workspace: Workspace, embedding: str | None = None) -> Declared:
    """Return what a workspace declares.

    Args:
        workspace: it.
        embedding: the name of the embedding that its desk is opened with; by default that of the
            one which the workspace describes.
    """
    from concertmaster.models.classifier import IntentModel

    used = embedding or _embedding(workspace)
    spec, intents = workspace.spec, workspace.spec.intents
    owner = spec.workflow.owner
    examples = {intent.name: list(intent.utterances) for intent in intents.intents}
    return Declared(
        tools={
            name: ToolSeen(idempotent=tool.idempotent, reconciles=tool.reconcile is not None)
            for name, tool in workspace.toolbox.items()
        },
        people=spec.principals.principals,
        owner=owner,
        embedding=used,
        knowledge=spec.workflow.knowledge is not None,
        intents=IntentModel.fingerprint_of(examples, intents.out_of_scope, used)
        if examples and used
        else None,
    )


def _embedding(workspace: Workspace) -> str:
    """Return the name of a workspace's embedding, empty if it cannot be told. Loads no model."""
    from concertmaster.retrieval.embeddings import MiniLM, embedder_of

    knowledge = workspace.spec.workflow.knowledge
    described = knowledge.embedding if knowledge else None
    if described is None:
        return MiniLM.name
    try:
        return described.name or embedder_of(described).name
    except ConcertmasterError:
        return ""
