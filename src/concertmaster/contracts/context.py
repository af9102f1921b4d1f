"""What of a thread a prompt holds: the rules for it, and what older turns are remembered by."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from concertmaster.contracts.base import Record
from concertmaster.contracts.labels import Label
from concertmaster.contracts.written import Spec

__all__ = ["ContextSpec", "Note", "Summary"]


class ContextSpec(Spec):
    """What of a thread and of what was found a step's prompts hold, and what is left out first.

    `keep` counts the last messages of the thread. Of older ones `history: trim` keeps nothing,
    `summarize` a summary of up to `summary` characters: of the notes that a thread has of its
    turns, or, with `by: model`, in the words of the step's model. Where passages do not fit a
    model, `evidence: best` leaves out those of least score, down to one; `all` rather asks
    another model. `results` are the characters that are shown of one tool result.
    """

    history: Literal["trim", "summarize"] = "trim"
    by: Literal["notes", "model"] = "notes"
    keep: int = Field(default=6, ge=0, le=200)
    summary: int = Field(default=800, ge=100, le=4000)
    evidence: Literal["best", "all"] = "best"
    results: int = Field(default=4000, ge=200, le=100_000)


class Note(Record):
    """What an earlier turn was about: the principal's own words, and what the desk did.

    `did` are the tools of consequential calls that were done, `open` what the desk asked for.
    """

    run: str
    asked: str
    intent: str | None = None
    did: tuple[str, ...] = ()
    status: str
    open: str | None = None


class Summary(Record):
    """What a model made of a thread's older messages: text of a model, and no more.

    `label` is the join of everything that the model read, `runs` the turns that it stands for,
    `documents` the `(id, version)` that the messages quoted: who may not read all of them any
    more does not get the summary.
    """

    text: str
    label: Label
    runs: tuple[str, ...]
    documents: tuple[tuple[str, str], ...] = ()
