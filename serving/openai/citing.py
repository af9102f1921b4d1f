"""Citations as the protocols carry them. Pure."""

from __future__ import annotations

from typing import Any

from concertmaster.contracts import Outcome

__all__ = ["annotated", "citations"]


def citations(outcome: Outcome | None, run: str) -> list[dict[str, Any]]:
    """Return what an answer cites, for the message's `citations`.

    The protocol's own annotations for chat name a web page, which a document of the workspace is
    not. `number` is the mark in the text; `start` and `end` are places in the document's text.
    """
    found = outcome.citations if outcome else ()
    return [{**c.model_dump(mode="json"), "run": run} for c in found]


def annotated(outcome: Outcome | None) -> list[dict[str, Any]]:
    """Return what an answer cites as `file_citation`s, with a citation's fields beside them.

    `index` is the document's place among those that are cited.
    """
    found = outcome.citations if outcome else ()
    documents = list(dict.fromkeys(c.document for c in found))
    return [
        {
            "type": "file_citation",
            "file_id": c.document,
            "filename": c.title,
            "index": documents.index(c.document),
            "number": c.number,
            "version": c.version,
            "place": c.place,
            "start": c.start,
            "end": c.end,
        }
        for c in found
    ]
