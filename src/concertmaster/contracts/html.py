"""How a value looks in a notebook: plain HTML, offline, escaped, bounded.

Colours are those of the page around it, tinted, so that light and dark notebooks both read well;
where styles are taken away, as on some hosts, the order of things still tells the story. Nothing is
shown that the object itself does not hold, nothing is fetched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from itertools import islice
from typing import Any

__all__ = [
    "AMBER",
    "BLUE",
    "GREEN",
    "GREY",
    "MUTED",
    "ORANGE",
    "RED",
    "VIOLET",
    "Listed",
    "Shown",
    "badge",
    "card",
    "folded",
    "rows",
    "short",
    "shown",
    "table",
    "visible",
]

GREEN, AMBER, RED, BLUE = "#1a7f37", "#9a6700", "#cf222e", "#0969da"
VIOLET, ORANGE, GREY = "#8250df", "#bc4c00", "#6e7781"
MUTED = "opacity:.7"

_CARD = (
    "font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:14px;line-height:1.5;"
    "max-width:840px;border:1px solid rgba(128,128,128,.4);border-radius:10px;padding:12px 16px"
)
_CELL = (
    "text-align:left;vertical-align:top;padding:2px 14px 2px 0;white-space:normal;"
    "overflow-wrap:break-word"
)
_SHOWN = 400
_MOST_ROWS = 50
_MOST_PARTS = 20
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:\+00:00|Z)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def visible(text: str) -> str:
    r"""Escape a text, and write out what nobody sees: a mark that reorders text must not mislead.

    >>> visible("<b>\u202e")
    '&lt;b&gt;\\u202e'
    """
    plain = "".join(c if c in "\n\t" or c.isprintable() else ascii(c)[1:-1] for c in text)
    return escape(plain)


def short(text: str, most: int = _SHOWN) -> str:
    """Return a text, escaped, of at most so many characters."""
    return visible(text if len(text) <= most else text[:most] + "…")


def card(*parts: str) -> str:
    """Return parts of HTML in one frame."""
    return f'<div style="{_CARD}">{"".join(parts)}</div>'


def badge(text: str, colour: str) -> str:
    """Return a word on a ground of its colour."""
    return (
        f"<b style='background:{colour};color:#fff;border-radius:10px;padding:2px 10px;"
        f"font-size:12px'>{visible(text.replace('_', ' '))}</b>"
    )


def rows(cells: Iterable[Sequence[str]], *, most: int = _MOST_ROWS) -> str:
    """Return rows of cells that are HTML already; of more rows than `most` it says how many."""
    listed = iter(cells)
    body = "".join(
        "<tr style='background:none'>"
        + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in row)
        + "</tr>"
        for row in islice(listed, most)
    )
    left = sum(1 for _ in listed)
    more = f"<p style='margin:2px 0;font-size:12px;{MUTED}'>and {left} more</p>" if left else ""
    table = f"<table style='font-size:12px;margin:6px 0'>{body}</table>"
    return f"<div style='overflow-x:auto'>{table}</div>{more}"


def table(head: Sequence[str], cells: Iterable[Sequence[str]], *, most: int = _MOST_ROWS) -> str:
    """Return a table with a first row of plain words."""
    first = [f"<b style='{MUTED}'>{visible(word)}</b>" for word in head]
    return rows([first, *cells], most=most + 1)


def folded(title: str, inner: str) -> str:
    """Return HTML that is folded away under a plain title."""
    return (
        "<details style='margin-top:4px'><summary style='cursor:pointer'>"
        f"{visible(title)}</summary>{inner}</details>"
    )


def shown(value: object) -> str:
    """Return a record or a dataclass as a card: its kind, then each field that holds anything."""
    return card(f"<b>{visible(_kind(value))}</b>", rows(_cells(value)))


class Shown:
    """Something that shows its fields in a notebook."""

    def _repr_html_(self) -> str:
        return shown(self)


class Listed(list[Any]):
    """A list that shows itself in a notebook: one row an item, at most 50.

    Items of a class with a `_list_html_` are shown by that.
    """

    def _repr_html_(self) -> str:
        kinds = {type(item) for item in self}
        own: Any = getattr(kinds.pop(), "_list_html_", None) if len(kinds) == 1 else None
        if own is not None:
            return str(own(list(self)))
        if not self:
            return card(f"<span style='{MUTED}'>nothing</span>")
        return card(_listed(self))


def _listed(items: Sequence[object]) -> str:
    """Return items below each other, in columns if all are of one kind."""
    names = [name for name in _columns(items[0]) if any(_full(_get(i, name)) for i in items)]
    if names and len({type(item) for item in items}) == 1:
        return table(names, ([_value(_get(item, name)) for name in names] for item in items))
    return rows([_value(item)] for item in items)


def _kind(value: object) -> str:
    return _WORDS.sub(" ", type(value).__name__).lower()


def _cells(value: object) -> Iterator[tuple[str, str]]:
    for name in _names(value):
        held = _get(value, name)
        if _full(held):
            yield f"<span style='{MUTED}'>{visible(name)}</span>", _part(held)


def _filled(value: object) -> Iterator[tuple[str, str]]:
    for name in _names(value):
        held = _get(value, name)
        if _full(held):
            yield name, _value(held)


def _full(value: object) -> bool:
    return value is not None and value not in ("", (), [], {}, frozenset())


def _part(value: object) -> str:
    """Return a field of a card: a table if it holds several records, else one value."""
    if isinstance(value, tuple | list) and value and _names(value[0]):
        listed = Listed(value)._repr_html_() if hasattr(value[0], "_list_html_") else _listed(value)
        return folded(f"{len(value)} of them", listed) if len(value) > 1 else listed
    if _names(value):
        return folded(_kind(value), rows(_cells(value)))
    return _value(value)


def _value(value: object) -> str:
    """Return one value on one line, as far as it fits."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return short(_plainer(value))
        case float():
            return f"{value:.4g}"
        case int():
            return str(value)
    if _names(value):
        return ", ".join(f"{visible(n)} {c}" for n, c in _filled(value))
    if isinstance(value, Mapping | tuple | list | set | frozenset):
        return _several(value)
    return short(str(value))


def _plainer(text: str) -> str:
    """Return a moment without fractions, a digest by its beginning; any other text as it is."""
    if moment := _MOMENT.fullmatch(text):
        return f"{moment[1]} {moment[2]}"
    return text[:19] + "…" if _DIGEST.fullmatch(text) else text


def _several(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"<code>{short(json.dumps(value, ensure_ascii=False, default=str))}</code>"
    items = list(islice(value, _MOST_PARTS + 1))
    told = ", ".join(_value(item) for item in items[:_MOST_PARTS])
    return f"{told}, …" if len(items) > _MOST_PARTS else told


def _names(value: object) -> tuple[str, ...]:
    """Return the names of the fields of a record or a dataclass; none of anything else."""
    if isinstance(value, type):
        return ()
    if is_dataclass(value):
        return tuple(field.name for field in fields(value) if field.repr)
    kind = type(value)
    named: Any = getattr(kind, "model_fields", None) or getattr(kind, "_fields", ())
    return tuple(named)


def _get(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _columns(item: object) -> tuple[str, ...]:
    """Return the names by which a list shows its items in columns."""
    return tuple(map(str, item)) if isinstance(item, Mapping) else _names(item)
