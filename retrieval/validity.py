"""Documents that nobody finds today because of their days; told with owners when that changed."""

from __future__ import annotations

import hashlib

from concertmaster.retrieval.documents import Remark
from concertmaster.retrieval.store import Store

__all__ = ["lapses"]

_TOLD = "lapses_told"


def lapses(store: Store, today: int, default_owner: str | None) -> tuple[Remark, ...]:
    """Return the documents that are not valid today, with whom to ask; nothing if told before.

    A document that expires, or begins, changes what is told, so all of them are told again.
    """
    told = tuple(
        Remark(source=document, what=_what(first, last, today, owner or default_owner))
        for document, owner, first, last in store.outside(today)
    )
    listed = "\n".join(f"{r.source}\0{r.what}" for r in told)
    digest = hashlib.sha256(listed.encode(errors="surrogatepass")).hexdigest() if told else ""
    if (store.meta(_TOLD) or "") == digest:
        return ()
    store.note(_TOLD, digest)
    return told


def _what(first: int, last: int, today: int, owner: str | None) -> str:
    what = f"is not valid before {_day(first)}" if today < first else f"expired on {_day(last)}"
    return f"{what}; its owner is {owner}" if owner else f"{what}; it has no owner"


def _day(number: int) -> str:
    return f"{number // 10000:04d}-{number // 100 % 100:02d}-{number % 100:02d}"
