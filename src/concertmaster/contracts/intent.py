"""What the message wants, as the classifier read it. Out of scope is a result, not an error."""

from __future__ import annotations

from concertmaster.contracts.base import Record

__all__ = ["Alternative", "Intent"]


class Alternative(Record):
    """Another intent that the classifier considered, with its probability (0 to 1)."""

    name: str
    confidence: float


class Intent(Record):
    """The classified intent with everything that routing needs of its declaration.

    `name` is null when the message is out of scope. `confidence` is a probability, 0 to 1.
    `method` says which stage decided: `linear`, `predictor` (one that the step declares), `model`,
    `thread` (a follow-up), `single`, `clarify` (the author is asked which of two is meant; `name`
    is null then) or `chosen` (the author's own earlier words, with the answer to such a question or
    the consent to go on).
    `text` are the words that it was read from; null means the request as a whole.
    """

    name: str | None
    in_scope: bool
    confidence: float
    method: str
    why: str
    owner: str
    needs_evidence: bool = False
    acts: bool = False
    playbook: str | None = None
    alternatives: tuple[Alternative, ...] = ()
    text: str | None = None
