"""How near in meaning a claim is to its source, by the embedding that is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from concertmaster.agents.support import Similarity

if TYPE_CHECKING:
    from concertmaster.retrieval.embeddings import Embedder

__all__ = ["similarity_of"]


def similarity_of(embedder: Embedder | None) -> Similarity | None:
    """Return the measure of the built-in embedding; None for any other.

    Cosines of different models mean different things, and the critic's bound is known for the
    built-in one alone. With another model, words alone decide.
    """
    from concertmaster.retrieval.embeddings import MiniLM, embed_all

    if embedder is None or embedder.name != MiniLM.name:
        return None
    used = embedder

    def similarity(claim: str, texts: Sequence[str]) -> float:
        if not texts:
            return 0.0
        vectors = embed_all(used, [claim, *texts])
        return float((vectors[1:] @ vectors[0]).max())

    return similarity
