"""Whether the principal's own words ask for a tool's effect."""

from __future__ import annotations

from concertmaster.contracts import ToolShape
from concertmaster.policies.provenance.sentences import CLAUSE, Sentence, phrase, stem
from concertmaster.policies.provenance.sources import Sources

__all__ = ["asked"]

_MAX_STARTS = 100
_NEGATIONS = frozenset(
    map(
        stem,
        (
            "not never without no nor neither cannot dont nothing none avoid refrain instead than"
        ).split(),
    )
)
_BREAKS = frozenset(map(stem, "but just only then however".split()))
_DOUBLE = frozenset(map(stem, "forget hesitate fail".split()))
_NOTHING = frozenset(map(stem, "no nothing none not nobody never".split()))


def asked(shape: ToolShape, sources: Sources, offered: frozenset[str]) -> tuple[bool, str]:
    """Tell whether anybody asked for a tool's effect, and why; no words but the phrase are told.

    A message that speaks of the effect only to forbid it takes back what another one asked.
    """
    if shape.name in offered:
        return True, "the principal's intent offers the tool"
    wish = refusal = None
    for source in sources.of("principal"):
        said = [_said(wish, source.index.sentences) for wish in shape.asks]
        if True in said:
            wish = wish or shape.asks[said.index(True)]
        elif False in said:
            refusal = refusal or shape.asks[said.index(False)]
    if refusal is not None:
        return False, f"the principal said not to: {refusal!r}"
    if wish is not None:
        return True, f"the principal's words ask for it: {wish!r}"
    return False, "nobody asked for it"


def _said(wish: str, sentences: tuple[Sentence, ...]) -> bool | None:
    """Return True where a phrase is asked for, False where it is only forbidden."""
    words = phrase(wish)
    result: bool | None = None
    if not words:
        return None
    for sentence in sentences:
        if words[0] not in sentence:
            continue
        starts = [i for i, word in enumerate(sentence) if word == words[0]][:_MAX_STARTS]
        for start in starts:
            places = _follow(words, sentence, start)
            if places is None:
                continue
            if not _negated(sentence, places):
                return True
            result = False
    return result


def _follow(words: Sentence, sentence: Sentence, start: int) -> list[int] | None:
    places, at = [start], start
    for word in words[1:]:
        try:
            at = sentence.index(word, at + 1)
        except ValueError:
            return None
        places.append(at)
    return places


def _negated(sentence: Sentence, places: list[int]) -> bool:
    first, last = places[0], places[-1]
    inside = sentence[first + 1 : last]
    after = sentence[last + 1 : last + 2]
    if any(_denies(word) for word in inside) or (after and after[0] in _NOTHING):
        return True
    for at in range(first - 1, -1, -1):
        word = sentence[at]
        if word in _BREAKS or (word == CLAUSE and not _opens_parenthesis(sentence, at)):
            return False
        if _denies(word):
            return not (at + 1 < first and sentence[at + 1] in _DOUBLE)
    return False


def _opens_parenthesis(sentence: Sentence, at: int) -> bool:
    """Tell whether a comma belongs to a pair behind a negation: `do not, ever, send`."""
    before = sentence[at - 1] if at else ""
    if _denies(before) and before != "no":
        return True
    opening = max((i for i in range(at) if sentence[i] == CLAUSE), default=0)
    return opening > 0 and _denies(sentence[opening - 1]) and sentence[opening - 1] != "no"


def _denies(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")
