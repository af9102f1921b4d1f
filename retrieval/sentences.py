"""Where sentences, list items, table rows and headings of a text stand, as character offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Unit", "split_sentences", "units"]

UnitKind = Literal["heading", "sentence", "item", "header", "row", "code"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A span `text[start:end]` without its markup, and what it is.

    `block` is where the block that holds it begins, its marker (`- `, `## `) included. `level`
    is the depth of a heading (1 to 6), 0 for all else.
    """

    start: int
    end: int
    kind: UnitKind
    block: int
    level: int = 0


_LINE = re.compile(r"[^\n]*\n?")
_FENCE = re.compile(r"[ ]{0,3}(```+|~~~+)")
_HEADING = re.compile(r"[ ]{0,3}(#{1,6})(?:[ \t]+|$)")
_UNDERLINE = re.compile(r"[ ]{0,3}(=+|-{2,})[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\(?\d{1,3}[.)]|\(?[A-Za-z]\))[ \t]+(?:\[[ xX]\][ \t]+)?")
_QUOTE = re.compile(r"[ ]{0,3}(?:>[ \t]?)+")
_RULE = re.compile(r"[ ]{0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_DELIMITER = re.compile(r"[ \t:|-]+$")
_HEADING_LENGTH = 120

# A stop, closing quotes, brackets or markup after it, then space and something that can open a
# sentence; CJK stops need no space. Possessive, so that a line of a million dots stays linear.
_STOP = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’)\]*_`]*+"
    r"(?=\s++[\"'“‘(\[*_`$€£¿¡#]*+[A-Z0-9\u00c0-\u024f\u0370-\u1fff])"
    r"|[。！？]++[”’」』）]*+"
)
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof sr jr st vs e.g i.e cf viz approx dept est fig figs no nos vol p pp inc ltd"
    " co corp gen col sen rep rev hon jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed"
    " thu fri ave blvd rd art sec ch ext tel min max resp incl excl".split()
)
# These also end sentences as ordinary words; only a number after them makes an abbreviation.
_BEFORE_NUMBERS = frozenset(
    "no nos p pp fig figs vol art sec ch ext tel mar sat sun min max est".split()
)
_WORD_LENGTH = 40
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘]+$")
_NEXT = re.compile(r"\s*+(\S?)")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Return the offsets of everything in a (Markdown) text that states something, in order.

    List items and table rows count as sentences and come without their markers; a long item
    comes as its sentences. Headings, table headers and rules are left out: see `units`.

    >>> text = "# Fees\\n\\nA card costs $4.50, e.g. in May. It is new.\\n- No fee"
    >>> [text[a:b] for a, b in split_sentences(text)]
    ['A card costs $4.50, e.g. in May.', 'It is new.', 'No fee']
    """
    return [(u.start, u.end) for u in units(text) if u.kind not in ("heading", "header")]


def units(text: str) -> list[Unit]:
    """Return every unit of a text in order; units never overlap and never are blank."""
    return list(_units(text))


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def _lines(text: str) -> list[_Line]:
    return [
        _Line(m.start(), m.group().rstrip("\n")) for m in _LINE.finditer(text) if m.group() != ""
    ]


def _units(text: str) -> Iterator[Unit]:
    lines = _lines(text)
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.text.strip() or _RULE.match(line.text) or _UNDERLINE.match(line.text):
            at += 1
        elif fence := _FENCE.match(line.text):
            after = _fence_end(lines, at, fence.group(1))
            yield from _code(text, lines[at:after])
            at = after
        elif heading := _HEADING.match(line.text):
            yield from _heading(line, heading)
            at += 1
        elif _is_table(lines, at):
            after = _table_end(lines, at)
            yield from _rows(lines[at:after])
            at = after
        else:
            after = _block_end(lines, at)
            yield from _prose(text, lines, at, after)
            at = after


def _fence_end(lines: list[_Line], at: int, fence: str) -> int:
    for after in range(at + 1, len(lines)):
        if lines[after].text.strip().startswith(fence):
            return after + 1
    return len(lines)


def _code(text: str, lines: list[_Line]) -> Iterator[Unit]:
    closed = len(lines) > 1 and _FENCE.match(lines[-1].text)
    body = lines[1:-1] if closed else lines[1:]
    if not body:
        return
    span = _trimmed(text, body[0].start, body[-1].end)
    if span:
        yield Unit(*span, "code", lines[0].start)


def _heading(line: _Line, match: re.Match[str]) -> Iterator[Unit]:
    body = line.text[match.end() :].rstrip()
    open_end = body.rstrip("#")
    if not open_end or open_end[-1] in " \t":
        body = open_end.rstrip()
    if body:
        start = line.start + match.end()
        yield Unit(start, start + len(body), "heading", line.start, len(match.group(1)))


def _is_table(lines: list[_Line], at: int) -> bool:
    return (
        "|" in lines[at].text
        and at + 1 < len(lines)
        and "|" in lines[at + 1].text
        and "-" in lines[at + 1].text
        and _DELIMITER.match(lines[at + 1].text) is not None
    )


def _table_end(lines: list[_Line], at: int) -> int:
    after = at + 2
    while after < len(lines) and "|" in lines[after].text:
        after += 1
    return after


def _rows(lines: list[_Line]) -> Iterator[Unit]:
    for number, line in enumerate(lines):
        if number == 1:
            continue
        body = line.text.strip().strip("|").strip()
        if body:
            start = line.start + line.text.index(body)
            yield Unit(start, start + len(body), "row" if number else "header", line.start)


def _block_end(lines: list[_Line], at: int) -> int:
    """Return the line after the paragraph or list item that begins at `at`."""
    for after in range(at + 1, len(lines)):
        line = lines[after].text
        if (
            not line.strip()
            or _ITEM.match(line)
            or _HEADING.match(line)
            or _FENCE.match(line)
            or _RULE.match(line)
            or _UNDERLINE.match(line)
            or _is_table(lines, after)
        ):
            return after
    return len(lines)


def _prose(text: str, lines: list[_Line], at: int, after: int) -> Iterator[Unit]:
    first = lines[at]
    start = first.start
    if quote := _QUOTE.match(first.text):
        start += quote.end()
    item = _ITEM.match(text, start, first.end)
    if item:
        start = item.end()
    span = _trimmed(text, start, lines[after - 1].end)
    if span is None:
        return
    underline = _UNDERLINE.match(lines[after].text) if after < len(lines) else None
    if underline and not item and after == at + 1 and span[1] - span[0] <= _HEADING_LENGTH:
        level = 1 if underline.group(1).startswith("=") else 2
        yield Unit(*span, "heading", first.start, level)
        return
    for begin, end in _sentences(text, *span):
        yield Unit(begin, end, "item" if item else "sentence", first.start)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    for stop in _STOP.finditer(text, start, end):
        if stop.start() < begin or not _ends(text, begin, stop):
            continue
        span = _trimmed(text, begin, stop.end())
        if span:
            yield span
        begin = stop.end()
    span = _trimmed(text, begin, end)
    if span:
        yield span


def _ends(text: str, begin: int, stop: re.Match[str]) -> bool:
    """Tell whether a stop ends a sentence, or belongs to an abbreviation or an initial."""
    if not stop.group().startswith(".") or stop.group().startswith(".."):
        return True
    word = _LAST_WORD.search(text, max(begin, stop.start() - _WORD_LENGTH), stop.start())
    if word is None:
        return False
    bare = word.group().lower().strip("*_`")
    following = _NEXT.match(text, stop.end())
    if bare.isdigit() and word.start() == begin:
        return False
    if len(bare) == 1 and word.group().isupper():
        return bare == "i"
    if re.fullmatch(r"(?:[a-z]\.)+[a-z]", bare):
        # "in the U.S. The": an initialism may end a sentence, "e.g." may not.
        return bare not in ("e.g", "i.e")
    if bare in _BEFORE_NUMBERS:
        return not (following and following.group(1).isdigit())
    return bare not in _ABBREVIATIONS


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    body = text[start:end]
    stripped = body.strip()
    if not stripped:
        return None
    start += len(body) - len(body.lstrip())
    return start, start + len(stripped)
