"""Lists in pages: how many at once, and where the next page begins. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import Field

from concertmaster.contracts.base import Record
from concertmaster.errors import RequestError

__all__ = ["Cursor", "Limit", "Page", "cut", "place", "written"]

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100, description="At most so many at once.")]
Cursor = Annotated[
    str | None, Query(max_length=600, description="`next` of the page before; the first without.")
]


class Page(Record, Generic[T]):
    """A part of a list."""

    data: list[T]
    next: str | None = Field(
        default=None, description="Give it as `cursor` for the next page; null on the last one."
    )


def written(*parts: str) -> str:
    """Return a place in a list as clients carry it around.

    >>> place(written("2026-01-01", "t-1"), 2)
    ('2026-01-01', 't-1')
    """
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def place(cursor: str, parts: int) -> tuple[str, ...]:
    """Return the place that a cursor stands for.

    Raises:
        RequestError: it is none.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    fits = isinstance(found, list) and len(found) == parts
    if not fits or not all(isinstance(p, str) and p.isprintable() for p in found):
        raise RequestError("this cursor is none", hint="give `next` of the page before")
    return tuple(found)


def cut(
    items: Iterable[T],
    key: Callable[[T], tuple[str, ...]],
    limit: int,
    cursor: str | None,
    *,
    parts: int = 1,
) -> tuple[list[T], str | None]:
    """Return one page of a list, and where the next one begins.

    The page begins behind the place of the cursor, so that it neither repeats nor leaves out
    anything if the list grows or shrinks between two pages.

    Args:
        items: the whole list, in any order.
        key: a place of `parts` parts that no two items share; pages are in the order of it.
        limit: at most so many.
        cursor: where to begin.
        parts: of how many texts a place consists.

    >>> cut(["b", "c", "a"], lambda each: (each,), 2, None)[0]
    ['a', 'b']

    Raises:
        RequestError: the cursor is none.
    """
    after = None if cursor is None else place(cursor, parts)
    placed = sorted(((key(item), item) for item in items), key=lambda pair: pair[0])
    left = [pair for pair in placed if after is None or pair[0] > after]
    shown = left[:limit]
    more = written(*shown[-1][0]) if len(left) > limit else None
    return [item for _, item in shown], more
