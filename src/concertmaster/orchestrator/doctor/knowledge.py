"""The index and the intent model against what the workspace says. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.finding import Finding
from concertmaster.orchestrator.doctor.snapshot import Declared, IndexSeen, Snapshot

__all__ = ["check_knowledge"]


def check_knowledge(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    """Yield what is wrong with the index and the intent model."""
    for index in seen.indexes:
        yield from _index(index, seen.declared, commands)
    if seen.declared is not None:
        yield from _model(seen, seen.declared, commands)


def _index(index: IndexSeen, declared: Declared | None, commands: Commands) -> Iterator[Finding]:
    finding = partial(Finding, kind="index", id=index.path)
    if index.damage is not None:
        yield finding(
            code="index.damaged",
            severity="problem",
            what=f"It cannot be read: {index.damage}.",
            mend="make it anew from the documents",
            command=commands.rebuild(),
        )
    elif declared is None or not declared.knowledge:
        return
    elif index.embedding and declared.embedding and index.embedding != declared.embedding:
        yield finding(
            code="index.embedding",
            severity="attention",
            what=f"It was made with the embedding {index.embedding}, and {declared.embedding} is"
            " used: a desk does not open with it.",
            mend="make it anew; or open the desk in the program that brings that embedding",
            command=commands.rebuild(),
        )
    elif index.waiting:
        yield finding(
            code="index.unfinished",
            severity="note",
            what=f"{index.waiting} passages have no vectors yet: an ingest goes on, or was cut"
            " off.",
            mend="bring it up to date",
            command=commands.ingest(),
        )


def _model(seen: Snapshot, declared: Declared, commands: Commands) -> Iterator[Finding]:
    if declared.intents is None or seen.model is None or seen.model == declared.intents:
        return
    what = (
        "The intent model was made of other utterances, or with another embedding, than the"
        " workspace has."
        if seen.model
        else "The intent model cannot be read."
    )
    yield Finding(
        code="intents.outdated",
        severity="note",
        kind="index",
        id="intents/model.npz",
        what=what,
        mend="open the desk, which trains it anew",
        command=commands.recover(),
    )
