"""Whether a sentence is supported by what it cites: the critic's deterministic checks. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from concertmaster.agents.binding import exchanged, misplaced, other_unit, replaced, strangers
from concertmaster.agents.clauses import clauses, closest, content, sentences
from concertmaster.agents.folding import folded, visible
from concertmaster.agents.grounding import THRESHOLD, groundedness
from concertmaster.agents.polarity import negated, opposites
from concertmaster.agents.quantities import quantities
from concertmaster.agents.words import numbers
from concertmaster.contracts import ActionResult, Citation, Evidence, Finding, Principal, Sentence

__all__ = [
    "LEAST_SIMILAR",
    "Similarity",
    "check_access",
    "check_claim",
    "check_sentence",
    "support",
]

Similarity = Callable[[str, Sequence[str]], float]
"""The highest cosine between a claim and some texts."""

LEAST_SIMILAR = 0.25
"""The cosine (all-MiniLM-L6-v2) below which a claim is about something else than its source. The
lowest of a supported response was 0.30 among the 430 of BEGIN's development examples."""

_WINDOW = 3
_MOST_SHARED = 0.6
_QUOTED = re.compile(r'"([^"]{1,2000})"')


def support(claim: str, passages: Sequence[str]) -> float:
    """Return how well a claim rests on passages (0 to 1), at the best place.

    A place is three sentences in a row, as many as a claim may draw together. A long passage
    holds most words somewhere: what a claim says has to stand in one place, or in one place in
    each passage.
    """
    alone = max((groundedness(claim, window) for window in _windows(passages)), default=0.0)
    if len(passages) < 2:
        return alone
    return max(alone, groundedness(claim, _best(claim, passages)))


def _windows(passages: Sequence[str]) -> Iterator[str]:
    for passage in passages:
        parts = sentences(passage)
        for at in range(max(1, len(parts) - _WINDOW + 1)):
            yield " ".join(parts[at : at + _WINDOW])


def _best(claim: str, passages: Sequence[str]) -> str:
    """Return the windows, one of each passage, that hold most of the claim."""
    return " ".join(
        max(_windows([p]), key=lambda window: groundedness(claim, window)) for p in passages
    )


def check_sentence(
    index: int,
    sentence: Sentence,
    evidence: Mapping[int, Evidence],
    results: Sequence[ActionResult],
    given: str,
    *,
    similarity: Similarity | None = None,
) -> list[Finding]:
    """Return what is wrong with one sentence; an empty list means that it is supported.

    Args:
        index: the sentence's place in the draft.
        sentence: what is said.
        evidence: the passages, by number.
        results: what this run's calls returned.
        given: text that a report of results may repeat besides, such as the calls' arguments. A
            statement on evidence never rests on it: what the principal wrote is no source.
        similarity: compares meanings; without it, words alone decide.
    """
    if sentence.basis == "form":
        return []
    if sentence.basis == "evidence":
        return _against_evidence(index, sentence, evidence, similarity)
    source = " ".join([given, *(_flat(r) for r in results)])
    return _reported(index, sentence.text, source)


def check_access(sentence: Sentence, evidence: Mapping[int, Evidence], who: Principal) -> bool:
    """Tell whether the principal may read every passage that the sentence cites."""
    return all(
        c.number in evidence and who.may_read(evidence[c.number].readers)
        for c in sentence.citations
    )


def check_claim(
    index: int, claim: str, passages: Sequence[str], similarity: Similarity | None = None
) -> list[Finding]:
    """Return what a claim says that the passages do not: each kind of objection at most once."""
    source = "\n".join(passages)
    parts = [s for p in passages for s in sentences(p)]
    where = "the cited passages"
    found = [
        *_figures(index, claim, source, parts),
        *_names(index, claim, source, parts),
        *_polarity(index, claim, parts),
        *_quotes(index, claim, source),
    ]
    score = support(claim, passages)
    if score < THRESHOLD:
        why = f"what it says does not stand in {where} (support {score:.2f} of {THRESHOLD:.2f})"
        found.append(_finding("support", index, why, f"a source that says: {visible(claim)}"))
    elif similarity is not None and similarity(claim, parts) < LEAST_SIMILAR:
        why = f"{where} are about something else"
        found.append(_finding("similarity", index, why, f"a source that says: {visible(claim)}"))
    return found


def _against_evidence(
    index: int,
    sentence: Sentence,
    evidence: Mapping[int, Evidence],
    similarity: Similarity | None,
) -> list[Finding]:
    said = f"a source that says: {visible(sentence.text)}"
    if not sentence.citations:
        return [_finding("citation", index, "a statement cites no source", said)]
    cited: dict[int, Evidence] = {}
    for citation in sentence.citations:
        passage = evidence.get(citation.number)
        if passage is None or not _inside(citation, passage):
            why = f"citation [{citation.number}] points to nothing in the evidence"
            return [_finding("citation", index, why, said)]
        cited[citation.number] = passage
    if any(_verbatim(sentence.text, passage.text) for passage in cited.values()):
        return []
    # What a passage is about often stands in its headings alone.
    passages = [f"{p.title}. {p.section}.\n\n{p.text}" for p in cited.values()]
    return check_claim(index, sentence.text, passages, similarity)


def _inside(citation: Citation, passage: Evidence) -> bool:
    return (
        citation.document == passage.document
        and citation.version == passage.version
        and passage.start <= citation.start < citation.end <= passage.end
    )


def _verbatim(claim: str, passage: str) -> bool:
    """Tell whether a claim is a whole sentence of a passage: part of one may say the opposite."""
    wanted = folded(claim)
    return any(wanted == folded(s) for s in sentences(passage))


def _figures(index: int, claim: str, source: str, parts: Sequence[str]) -> list[Finding]:
    stated = {q.value for q in quantities(source)}
    invented = [q.text for q in quantities(claim) if q.value not in stated]
    loose = numbers(visible(claim)) - numbers(visible(source)) - stated
    if invented or loose:
        told = ", ".join(dict.fromkeys(invented or sorted(loose)))
        why = f"{told} does not stand in the cited passages"
        return [_finding("number", index, why, f"a source that states {told}")]
    wrong = other_unit(claim, source)
    if wrong is not None:
        why = f"the cited passages say {wrong.stands}, not {wrong.said}"
        return [_finding("unit", index, why, f"a source that states {wrong.said}")]
    wrong = misplaced(claim, parts)
    if wrong is not None:
        why = f"the cited passages say {wrong.stands} here; {wrong.said} is said of something else"
        return [_finding("number", index, why, f"a source that states {wrong.said} of this")]
    return []


def _names(index: int, claim: str, source: str, parts: Sequence[str]) -> list[Finding]:
    unknown = strangers(claim, source)
    if unknown:
        told = ", ".join(sorted(unknown))
        why = f"{told} is not named in the cited passages"
        return [_finding("name", index, why, f"a source that names {told}")]
    wrong = exchanged(claim, parts)
    if wrong is not None:
        why = f"the cited passages have {wrong.stands}, not {wrong.said}"
        return [_finding("name", index, why, "a source in which the names have these places")]
    wrong = replaced(claim, parts)
    if wrong is not None:
        why = f"the cited passages say this of {wrong.stands}, not of {wrong.said}"
        return [_finding("name", index, why, f"a source that says this of {wrong.said}")]
    return []


def _polarity(index: int, claim: str, parts: Sequence[str]) -> list[Finding]:
    known = [c for s in parts for c in clauses(s)]
    for clause in clauses(claim):
        wanted = content(clause)
        best, shared = closest(clause, known)
        if not shared or shared < _MOST_SHARED * len(wanted):
            continue
        if all(negated(b) != negated(clause) for b in best):
            said, stands = ("denies", "affirm") if negated(clause) else ("affirms", "deny")
            why = f"it {said} what the cited passages {stands}"
            return [_finding("negation", index, why, f"a source that says: {clause}")]
        pair = opposites(clause, best)
        if pair is not None:
            why = f"it says {pair[0]} where the cited passages say {pair[1]}"
            return [_finding("negation", index, why, f"a source that says: {clause}")]
    return []


def _quotes(index: int, claim: str, source: str) -> list[Finding]:
    given = folded(source)
    for quoted in _QUOTED.findall(visible(claim)):
        if quoted.strip() and quoted.lower().strip(" .,;:!?") not in given:
            why = f'"{quoted}" is quoted, but stands otherwise in the cited passages'
            return [_finding("quote", index, why, f'a source with the words "{quoted}"')]
    return []


def _reported(index: int, claim: str, source: str) -> list[Finding]:
    invented = numbers(visible(claim)) - numbers(visible(source)) - _minor(source)
    if not invented:
        return []
    told = ", ".join(sorted(invented))
    why = f"{told} does not stand in the results of this run"
    return [_finding("number", index, why, f"a result that states {told}")]


def _finding(check: str, index: int, why: str, needs: str) -> Finding:
    return Finding(check=check, sentence=index, why=why, needs=needs)


def _minor(source: str) -> frozenset[str]:
    """Return the source's whole numbers read as cents, for results that hold minor units."""
    cents = (n for n in numbers(source) if n.isdigit() and len(n) <= 15)
    return numbers(" ".join(f"{int(n) // 100}.{int(n) % 100:02d}" for n in cents))


def _flat(result: ActionResult) -> str:
    return json.dumps(result.output, ensure_ascii=False) + " " + result.message
