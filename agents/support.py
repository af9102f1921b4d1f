"""Whether a sentence is supported by what it cites: the critic's deterministic checks. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from concertmaster.agents.extractive import plain
from concertmaster.agents.words import coverage, names, numbers
from concertmaster.contracts import ActionResult, Citation, Evidence, Finding, Principal, Sentence

__all__ = ["check_access", "check_sentence"]

LEAST_COVERAGE = 0.6
"""Share of a claim's content words that must stand in its sources."""


def check_sentence(
    index: int,
    sentence: Sentence,
    evidence: Mapping[int, Evidence],
    results: Sequence[ActionResult],
    request: str,
) -> list[Finding]:
    """Return what is wrong with one sentence; an empty list means that it is supported."""
    if sentence.basis == "form":
        return []
    if sentence.basis == "evidence":
        return _against_evidence(index, sentence, evidence, request)
    source = " ".join([request, *(_flat(r) for r in results)])
    return _facts(index, sentence, source, "the results of this run", covered=False)


def check_access(sentence: Sentence, evidence: Mapping[int, Evidence], who: Principal) -> bool:
    """Tell whether the principal may read every passage that the sentence cites."""
    return all(
        c.number in evidence and who.may_read(evidence[c.number].readers)
        for c in sentence.citations
    )


def _against_evidence(
    index: int, sentence: Sentence, evidence: Mapping[int, Evidence], request: str
) -> list[Finding]:
    if not sentence.citations:
        return [Finding(check="citation", sentence=index, why="a statement cites no source")]
    quoted = []
    for citation in sentence.citations:
        passage = evidence.get(citation.number)
        if passage is None or not _inside(citation, passage):
            why = f"citation [{citation.number}] points to nothing in the evidence"
            return [Finding(check="citation", sentence=index, why=why)]
        quoted.append(passage.text)
    source = " ".join(quoted)
    if _folded(sentence.text) in _folded(source):
        return []
    return _facts(index, sentence, f"{source} {request}", "the cited passages", covered=True)


def _inside(citation: Citation, passage: Evidence) -> bool:
    return (
        citation.document == passage.document
        and citation.version == passage.version
        and passage.start <= citation.start < citation.end <= passage.end
    )


def _facts(
    index: int, sentence: Sentence, source: str, where: str, *, covered: bool
) -> list[Finding]:
    found = []
    invented = numbers(sentence.text) - numbers(source) - _minor(source)
    if invented:
        why = f"{', '.join(sorted(invented))} does not stand in {where}"
        found.append(Finding(check="number", sentence=index, why=why))
    unknown = {n for n in names(sentence.text) if n not in source.lower()}
    if covered and unknown:
        why = f"{', '.join(sorted(unknown))} is not named in {where}"
        found.append(Finding(check="name", sentence=index, why=why))
    share = coverage(sentence.text, source)
    if covered and share < LEAST_COVERAGE:
        why = f"only {share:.0%} of what it says stands in {where}"
        found.append(Finding(check="support", sentence=index, why=why))
    return found


def _minor(source: str) -> frozenset[str]:
    """Return the source's whole numbers read as cents, for results that hold minor units."""
    cents = (n for n in numbers(source) if n.isdigit() and len(n) <= 15)
    return numbers(" ".join(f"{int(n) // 100}.{int(n) % 100:02d}" for n in cents))


def _flat(result: ActionResult) -> str:
    return json.dumps(result.output, ensure_ascii=False) + " " + result.message


def _folded(text: str) -> str:
    return plain(text).lower().rstrip(".")
