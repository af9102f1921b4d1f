"""The index and the intent model against what the workspace says. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.finding import Finding, Severity
from concertmaster.orchestrator.doctor.snapshot import Declared, IndexSeen, Snapshot

__all__ = ["check_knowledge"]

_TRAINED = "open the desk, which trains it anew"


def check_knowledge(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    """Yield what is wrong with the index and the intent model."""
    if seen.index is not None:
        yield from _index(seen.index, seen.declared, commands)
    if seen.declared is not None:
        yield from _model(seen, seen.declared, commands)


def _index(index: IndexSeen, declared: Declared | None, commands: Commands) -> Iterator[Finding]:
    if index.damage is not None:
        what = f"It cannot be read: {index.damage}."
        mend = "make it anew from the documents"
        yield _finding("index.damaged", "problem", what, mend, commands.rebuild())
        return
    if declared is None or not declared.knowledge:
        return
    if index.embedding is not None and index.embedding != declared.embedding:
        what = (
            f"It was made with the embedding {index.embedding}, and {declared.embedding} is used:"
            " a desk does not open with it."
        )
        mend = "make it anew; or open the desk in the program that brings that embedding"
        yield _finding("index.embedding", "attention", what, mend, commands.rebuild())
    elif index.waiting:
        what = f"{index.waiting} passages have no vectors yet: an ingest goes on, or was cut off."
        mend = "bring it up to date"
        yield _finding("index.unfinished", "note", what, mend, commands.ingest())


def _model(seen: Snapshot, declared: Declared, commands: Commands) -> Iterator[Finding]:
    if declared.intents is None or seen.model is None:
        return
    if seen.model == "":
        what = "The intent model cannot be read."
    elif seen.model != declared.intents:
        what = (
            "The intent model was made of other utterances, or with another embedding, than the"
            " workspace has."
        )
    else:
        return
    yield _finding("intents.outdated", "note", what, _TRAINED, commands.recover())


def _finding(code: str, severity: Severity, what: str, mend: str, command: str) -> Finding:
    """Return a finding about what its code begins with."""
    return Finding(
        code=code,
        severity=severity,
        kind="index",
        id=code.partition(".")[0],
        what=what,
        mend=mend,
        command=command,
    )
