"""Which elements of a page nobody sees: that is where instructions to machines are smuggled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

__all__ = ["Hiding"]

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_PRINT = re.compile(r"@media[^{]*\bprint\b[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", re.IGNORECASE)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE = re.compile(r"([a-z][a-z0-9]*)?((?:[.#][\w-]+)*)", re.IGNORECASE)
_PIECE = re.compile(r"([.#])([\w-]+)")
_LENGTH = re.compile(r"(-?\d*\.?\d+)([a-z%]*)")
_AWAY = -500
_TINY = {"": 1.0, "px": 1.0, "pt": 1.0, "em": 0.1, "rem": 0.1, "%": 10.0, "vw": 0.1, "vh": 0.1}
_SIZES = ("width", "height", "max-width", "max-height")
_SHIFTS = ("text-indent", "left", "top", "right", "bottom", "margin-left", "margin-top")
_WHITE = frozenset(("white", "#fff", "#ffffff", "rgb(255,255,255)", "rgba(255,255,255,1)"))


@dataclass(frozen=True)
class Hiding:
    """The rules of a page's own style sheets that hide something.

    Only selectors of one element by tag, class or id are understood; sheets that lie elsewhere
    are never fetched.
    """

    rules: tuple[tuple[str, frozenset[str], str | None], ...] = ()
    coloured: bool = False
    """Whether a sheet may put something else than white behind the text."""

    @classmethod
    def of(cls, sheets: Iterable[str], *, others: bool) -> Self:
        """Read style sheets; `others` tells that the page refers to more."""
        rules = []
        coloured = others
        for sheet in sheets:
            text = _PRINT.sub("", _COMMENT.sub("", sheet))
            coloured = coloured or "background" in text.lower()
            for selectors, body in _RULE.findall(text):
                if _hides(_declarations(body), on_white=False):
                    rules += [r for s in selectors.split(",") if (r := _rule(s.strip()))]
        return cls(tuple(rules), coloured)

    def hides(self, tag: str, attributes: Mapping[str, str], *, on_white: bool) -> bool:
        """Tell whether an element and all in it is hidden."""
        if "hidden" in attributes or (
            tag == "input" and attributes.get("type", "").lower() == "hidden"
        ):
            return True
        style = _declarations(attributes.get("style", ""))
        if _hides(style, on_white=on_white and not self.coloured):
            return True
        if tag == "font" and on_white and not self.coloured and _is_white(attributes, "color"):
            return True
        classes = frozenset(attributes.get("class", "").split())
        return any(
            (not rule_tag or rule_tag == tag)
            and needed <= classes
            and (rule_id is None or rule_id == attributes.get("id"))
            for rule_tag, needed, rule_id in self.rules
        )

    @staticmethod
    def backs(attributes: Mapping[str, str]) -> bool:
        """Tell whether an element sets what is behind its text."""
        return "bgcolor" in attributes or "background" in attributes.get("style", "").lower()


def _rule(selector: str) -> tuple[str, frozenset[str], str | None] | None:
    match = _SIMPLE.fullmatch(selector)
    if match is None or not selector:
        return None
    pieces = _PIECE.findall(match[2])
    ids = [name for sign, name in pieces if sign == "#"]
    classes = frozenset(name for sign, name in pieces if sign == ".")
    return (match[1] or "").lower(), classes, ids[0] if ids else None


def _declarations(style: str) -> dict[str, str]:
    found = {}
    for declaration in _COMMENT.sub("", style).lower().split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            found[name.strip()] = value.replace("!important", "").strip()
    return found


def _hides(style: Mapping[str, str], *, on_white: bool) -> bool:
    if not style:
        return False
    colour = style.get("color", "").replace(" ", "")
    behind = (style.get("background-color") or style.get("background") or "").replace(" ", "")
    return (
        style.get("display") == "none"
        or style.get("visibility") in ("hidden", "collapse")
        or style.get("content-visibility") == "hidden"
        or _at_most(style.get("opacity"), {"": 0.05, "%": 5.0})
        or _at_most(style.get("font-size"), _TINY)
        or any(_at_most(style.get(name), _TINY) for name in _SIZES)
        or any(_below(style.get(name)) for name in _SHIFTS)
        or re.search(r"scale\(\s*0?\.?0*\s*[,)]", style.get("transform", "")) is not None
        or re.match(r"rect\((?:0|1px)", style.get("clip", "")) is not None
        or re.match(r"inset\((?:100|50)%", style.get("clip-path", "")) is not None
        or colour == "transparent"
        or (bool(colour) and colour == behind)
        or (on_white and not behind and _is_white(style, "color"))
    )


def _is_white(values: Mapping[str, str], key: str) -> bool:
    return values.get(key, "").replace(" ", "").lower() in _WHITE


def _at_most(value: str | None, limits: Mapping[str, float]) -> bool:
    """Tell whether a length is so small that nobody sees it; one in another unit is, if it is 0."""
    match = _LENGTH.fullmatch(value) if value else None
    return match is not None and 0 <= float(match[1]) <= limits.get(match[2], 0.0)


def _below(value: str | None) -> bool:
    match = _LENGTH.fullmatch(value) if value else None
    return match is not None and float(match[1]) <= _AWAY
