"""Shared knowledge beside the knowledge of tenants, each in an index of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from concertmaster.contracts import Evidence, Principal, Retrieved
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.duplicates import repeats
from concertmaster.retrieval.knowledge import Knowledge

__all__ = ["Tenants", "tenant_folder"]

_DOCUMENTS = 10


def tenant_folder(index: Path, tenant: str) -> Path:
    """Return where a tenant's index lies, beside the shared one; the name is not in the path."""
    digest = hashlib.sha256(tenant.encode(errors="surrogatepass")).hexdigest()
    return index / "tenants" / digest[:32]


class Tenants:
    """Answers from what all share and from what the principal's tenant owns, and from no other.

    A principal without a tenant reads the shared index alone; so does one of a tenant that is not
    declared. Names of tenants are compared exactly, upper and lower case included.
    """

    def __init__(
        self, shared: Knowledge, own: Mapping[str, Knowledge], spec: KnowledgeSpec
    ) -> None:
        self.shared = shared
        self.own = dict(own)
        self._spec = spec

    def of(self, tenant: str | None) -> Knowledge | None:
        """Return the index of a tenant, the shared one for None, or None if there is none."""
        return self.shared if tenant is None else self.own.get(tenant)

    async def retrieve(
        self, query: str, principal: Principal, *, numbers_from: int = 1
    ) -> Retrieved:
        """Return the passages that bear on a query, of both indices; see `Knowledge.retrieve`."""
        own, shared = self._both(principal)
        if own is None:
            return await shared.retrieve(query, principal, numbers_from=numbers_from)
        found = await asyncio.gather(
            own.retrieve(query, principal), shared.retrieve(query, principal)
        )
        return _joined(query, found, self._spec, numbers_from)

    def may_read(self, document: str, version: str, principal: Principal) -> bool:
        """Tell whether either index holds this version and the principal may read it now."""
        return any(k.may_read(document, version, principal) for k in self._both(principal) if k)

    async def text(self, document: str, version: str, principal: Principal) -> str | None:
        """Return the text of a document version, or None if the principal may not read it."""
        for knowledge in filter(None, self._both(principal)):
            text = await knowledge.text(document, version, principal)
            if text is not None:
                return text
        return None

    def is_empty(self) -> bool:
        """Tell whether no index holds a document."""
        return all(k.is_empty() for k in (self.shared, *self.own.values()))

    def close(self) -> None:
        """Release the files of all indices."""
        for knowledge in (self.shared, *self.own.values()):
            knowledge.close()

    def _both(self, principal: Principal) -> tuple[Knowledge | None, Knowledge]:
        tenant = principal.tenant
        return (None if tenant is None else self.own.get(tenant)), self.shared


def _joined(
    query: str, found: Sequence[Retrieved], spec: KnowledgeSpec, numbers_from: int
) -> Retrieved:
    """Join two results by score; what is not sufficient by itself adds no evidence."""
    answers = [one for one in found if one.sufficient]
    documents = _in_turns([one.documents for one in found])
    if not answers:
        first = next((one for one in found if one.documents), found[-1])
        owner = first.owner or spec.default_owner
        return Retrieved(query=query, documents=documents, why=first.why, owner=owner)
    ranked = sorted((e for one in answers for e in one.evidence), key=lambda e: -e.score)
    evidence = _within(ranked, spec)
    return Retrieved(
        query=query,
        evidence=tuple(
            e.model_copy(update={"number": n}) for n, e in enumerate(evidence, numbers_from)
        ),
        documents=documents,
        sufficient=True,
        why="; and ".join(one.why for one in answers),
        owner=evidence[0].owner or spec.default_owner,
    )


def _within(ranked: Sequence[Evidence], spec: KnowledgeSpec) -> list[Evidence]:
    """Return the first passages within number and budget, without repetitions."""
    kept: list[Evidence] = []
    left = spec.budget
    for passage in ranked:
        fits = len(kept) < spec.passages and len(passage.text) <= left
        if fits and not repeats(passage.text, [e.text for e in kept]):
            kept.append(passage)
            left -= len(passage.text)
    return kept


def _in_turns(rankings: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the first of each ranking, then the second, and so on, each once."""
    longest = max(map(len, rankings))
    turns = (r[at] for at in range(longest) for r in rankings if at < len(r))
    return tuple(dict.fromkeys(turns))[:_DOCUMENTS]
