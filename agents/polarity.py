"""Whether a clause affirms what another denies. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.agents.folding import tokens
from concertmaster.agents.words import stem

__all__ = ["negated", "opposites"]

_NEGATIONS = frozenset(
    "not no never nor neither none nobody nothing without cannot cant dont doesnt wont isnt arent"
    " hardly unable refuses refuse".split()
)
_UNDONE = ("un", "non", "in", "im", "ir")
_PAIRS = (
    "include/exclude",
    "included/excluded",
    "allowed/forbidden",
    "allowed/prohibited",
    "permitted/prohibited",
    "permitted/forbidden",
    "always/never",
    "before/after",
    "more/less",
    "more/fewer",
    "above/below",
    "over/under",
    "minimum/maximum",
    "least/most",
    "increase/decrease",
    "increases/decreases",
    "higher/lower",
    "open/closed",
    "opens/closes",
    "required/optional",
    "mandatory/optional",
    "weekdays/weekends",
    "first/last",
    "earliest/latest",
    "earlier/later",
    "credit/debit",
    "deposit/withdrawal",
    "deposits/withdrawals",
    "deposited/withdrawn",
    "free/chargeable",
    "enabled/disabled",
    "accept/reject",
    "accepts/rejects",
    "accepted/rejected",
    "approved/declined",
    "active/inactive",
    "buy/sell",
    "domestic/international",
    "incoming/outgoing",
    "online/offline",
    "daily/monthly",
    "daily/weekly",
    "weekly/monthly",
    "monthly/yearly",
    "monthly/annual",
    "male/female",
    "senior/junior",
    "temporary/permanent",
)
_OPPOSITES: dict[str, frozenset[str]] = {}
for _pair in _PAIRS:
    _a, _b = _pair.split("/")
    _OPPOSITES[_a] = _OPPOSITES.get(_a, frozenset()) | {_b}
    _OPPOSITES[_b] = _OPPOSITES.get(_b, frozenset()) | {_a}


def negated(clause: str) -> bool:
    """Tell whether a clause denies: an odd number of negations.

    >>> negated("It can't be refunded."), negated("It is not without a fee.")
    (True, False)
    """
    return sum(_is_negation(w) for w in tokens(clause)) % 2 == 1


def _is_negation(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")


def opposites(claim: str, source: Sequence[str]) -> tuple[str, str] | None:
    """Return a word of a claim and its opposite in the source's clauses, if only that is there.

    Also a word with and without `un-`, `non-`, `in-`.
    """
    given = {w for clause in source for w in _joined(clause)}
    for word in _joined(claim):
        if word in given:
            continue
        against = _OPPOSITES.get(word, frozenset()) & given
        if against:
            return word, sorted(against)[0]
        for other in given:
            if _undoes(word, other) and stem(word) not in {stem(g) for g in given}:
                return word, other
    return None


def _joined(clause: str) -> list[str]:
    """Return the words, `non-refundable` as the one word `nonrefundable`."""
    found = list(tokens(clause))
    for at in [i for i, w in enumerate(found[:-1]) if w == "non"][::-1]:
        found[at : at + 2] = [f"non{found[at + 1]}"]
    return found


def _undoes(one: str, other: str) -> bool:
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return len(shorter) > 4 and any(longer == prefix + shorter for prefix in _UNDONE)
