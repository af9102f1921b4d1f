"""Searching the index for a principal: filter, rank, fuse, check again, judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import Evidence, Principal, Retrieved, now
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.access import day, label_of
from concertmaster.retrieval.duplicates import repeats
from concertmaster.retrieval.embeddings import RELEVANT, Embedder
from concertmaster.retrieval.fusion import fuse
from concertmaster.retrieval.nearest import Nearest
from concertmaster.retrieval.passage import Passage
from concertmaster.retrieval.relevance import Relevance, judge
from concertmaster.retrieval.sentences import split_sentences
from concertmaster.retrieval.snapshot import Snapshot
from concertmaster.retrieval.stems import terms
from concertmaster.retrieval.store import Store

__all__ = ["Search"]

_LONGEST_QUERY = 4000
_DEPTH = 100
_PAGE = 32
_DOCUMENTS = 10


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What passed every check: the best passages and documents, and the cosines known."""

    passages: tuple[Passage, ...]
    scores: dict[str, float]
    documents: tuple[str, ...]
    cosines: dict[str, float]
    compared: bool


class Search:
    """One way to ask an index; holds nothing of its own."""

    def __init__(
        self, store: Store, nearest: Nearest, embedder: Embedder, spec: KnowledgeSpec
    ) -> None:
        self._store = store
        self._nearest = nearest
        self._embedder = embedder
        self._spec = spec

    def run(
        self, snapshot: Snapshot, query: str, principal: Principal, numbers_from: int
    ) -> Retrieved:
        """Return the evidence for a query among what the principal may read today.

        Raises:
            IndexMismatch: the index was made with another embedding.
            StorageError: the SQLite file failed.
        """
        today = day(now().date())
        allowed = snapshot.readable(principal, today)
        text = query[:_LONGEST_QUERY]
        if not allowed.any() or not any(c.isalnum() for c in text):
            why = "the question has no words" if allowed.any() else "nothing here may be read"
            return Retrieved(query=query, why=why, owner=self._spec.default_owner)
        lexical = [snapshot.ids[at] for at in snapshot.lexical.top(text, allowed, _DEPTH)]
        cosines = self._nearest.find(text, snapshot, principal, today, _DEPTH)
        found = self._found([lexical, list(cosines or ())], principal, today, cosines)
        words = terms(text)
        relevance = judge(
            words,
            snapshot.lexical.weights(words, allowed),
            [f"{p.title}\n{p.section}\n{p.text}" for p in found.passages],
            max((found.cosines.get(p.id, 0.0) for p in found.passages), default=0.0)
            if found.compared
            else None,
            getattr(self._embedder, "relevant", RELEVANT),
        )
        return self._retrieved(query, found, relevance, numbers_from)

    def neighbours(
        self, snapshot: Snapshot, query: str, principal: Principal, k: int
    ) -> list[tuple[Passage, float]]:
        """Return the `k` passages nearest in meaning with their cosines, checked like evidence.

        Empty where there are no vectors to compare.
        """
        today = day(now().date())
        cosines = self._nearest.find(query[:_LONGEST_QUERY], snapshot, principal, today, k) or {}
        found = self._admitted(list(cosines), principal, today)
        return [(passage, cosines[passage.id]) for passage in found]

    def _found(
        self,
        rankings: Sequence[Sequence[str]],
        principal: Principal,
        today: int,
        cosines: dict[str, float] | None,
    ) -> _Found:
        scores = dict(fuse(rankings))
        passages: list[Passage] = []
        documents: dict[str, None] = {}
        for passage in self._admitted(list(scores), principal, today):
            room = len(passages) < self._spec.passages
            if room and not repeats(passage.text, [p.text for p in passages]):
                passages.append(passage)
            if len(documents) < _DOCUMENTS:
                documents[passage.document] = None
            elif len(passages) >= self._spec.passages:
                break
        return _Found(
            passages=tuple(passages),
            scores=scores,
            documents=tuple(documents),
            cosines=cosines or {},
            compared=cosines is not None,
        )

    def _admitted(
        self, ranked: Sequence[str], principal: Principal, today: int
    ) -> Iterator[Passage]:
        """Yield the passages that exist and may be read at this moment, in order.

        The rankings were filtered, but by copies; the store knows what holds now.
        """
        for at in range(0, len(ranked), _PAGE):
            ids = ranked[at : at + _PAGE]
            stored = self._store.passages(ids)
            for id_ in ids:
                passage = stored.get(id_)
                if passage is not None and passage.admit(principal, today):
                    yield passage

    def _retrieved(
        self, query: str, found: _Found, relevance: Relevance, numbers_from: int
    ) -> Retrieved:
        best = found.passages[0].owner if found.passages else None
        owner = best or self._spec.default_owner
        if not relevance.sufficient:
            why = f"nothing that may be read bears on the question enough ({relevance.why})"
            return Retrieved(query=query, documents=found.documents, why=why, owner=owner)
        evidence = tuple(_evidence(found, self._spec.budget, numbers_from))
        sources = len({e.document for e in evidence})
        why = f"{len(evidence)} passages of {sources} documents ({relevance.why})"
        return Retrieved(
            query=query,
            evidence=evidence,
            documents=found.documents,
            sufficient=True,
            why=why,
            owner=owner,
        )


def _evidence(found: _Found, budget: int, numbers_from: int) -> Iterator[Evidence]:
    """Yield passages within a budget of characters; the first is cut to fit if it must be."""
    number, left = numbers_from, budget
    for rank, passage in enumerate(found.passages):
        end = passage.end
        if len(passage.text) > left:
            if rank:
                continue
            end = passage.start + _cut(passage.text, left)
        text = passage.text[: end - passage.start]
        left -= len(text)
        yield Evidence(
            number=number,
            document=passage.document,
            version=passage.version,
            title=passage.title,
            section=passage.section,
            place=passage.place,
            text=text,
            start=passage.start,
            end=end,
            score=found.scores[passage.id],
            owner=passage.owner,
            readers=passage.readers,
            label=label_of(passage.document, passage.readers),
        )
        number += 1


def _cut(text: str, limit: int) -> int:
    """Return the length of the whole sentences within a limit, or the limit."""
    ends: list[Any] = [end for _, end in split_sentences(text) if end <= limit]
    return ends[-1] if ends else limit
