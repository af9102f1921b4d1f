"""The answer before and after the critic."""

from __future__ import annotations

from typing import Literal

from concertmaster.contracts.base import Record
from concertmaster.contracts.evidence import Citation

__all__ = ["Draft", "Finding", "Sentence", "Verdict"]


class Sentence(Record):
    """One sentence of a draft and what it rests on.

    `basis` says what kind of support it claims: `evidence` (then `citations` is not empty),
    `tool` (a result of this run), `request` (the principal's own words) or `form` (greeting,
    question, or fixed wording of the workspace: states no fact).
    """

    text: str
    basis: Literal["evidence", "tool", "request", "form"]
    citations: tuple[Citation, ...] = ()


class Draft(Record):
    """A composed answer. `method`: `model`, `extractive` or `template`."""

    text: str
    sentences: tuple[Sentence, ...]
    method: Literal["model", "extractive", "template"]
    asks: str | None = None


class Finding(Record):
    """One thing the critic found wrong: the check, the sentence's index, the reason.

    `needs` says what would support the sentence, such as a source that states its figure.
    """

    check: str
    sentence: int | None
    why: str
    needs: str = ""


class Verdict(Record):
    """The critic's judgement. `supported` is the share of factual sentences with support."""

    status: Literal["pass", "revise", "escalate"]
    findings: tuple[Finding, ...] = ()
    supported: float = 1.0
    why: str = ""
