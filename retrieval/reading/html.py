"""Pages in HTML, as Markdown with their headings; what nobody sees on the page is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from concertmaster.retrieval.reading.decoding import decode
from concertmaster.retrieval.reading.hiding import Hiding
from concertmaster.retrieval.reading.reading import Part, Reading, Unreadable
from concertmaster.retrieval.reading.rows import header_of, line_of

__all__ = ["read"]

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,30})", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,300}\?>")
_NEVER = frozenset(
    "script style template noscript head object embed iframe svg math canvas audio video select"
    " datalist textarea frameset applet map".split()
)
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark output q"
    " ruby s samp small span strike strong sub sup time tt u var wbr button".split()
)
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]{0,500}\[[^\]]*\]\s*>", re.IGNORECASE)
_SPACE = re.compile(r"[^\S\n]+")


def read(content: bytes) -> Reading:
    """Read a page. Scripts, styles, comments and hidden text are left out.

    Raises:
        Unreadable: no text can be made of it.
    """
    import lxml.etree

    declared = _CHARSET.search(content[:4096])
    text, note = decode(content, declared[1].decode("ascii") if declared else None)
    # `huge_tree` off keeps the parser's own bound of depth; text goes in as what it is.
    parser = lxml.etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=False
    )
    # Entities that a page declares itself are never put in; browsers do not either.
    bare = _DOCTYPE.sub("", _DECLARATION.sub("", text.replace("\0", "")), count=1)
    body = bare.encode("utf-8", "replace")
    root = lxml.etree.fromstring(body, parser) if body.strip() else None
    if root is None:
        raise Unreadable("has no text")
    page = _Page(root)
    parts = [Part(block) for block in page.blocks()]
    notes = [note] if note else []
    if page.hidden:
        notes.append(f"{page.hidden} hidden element{'s' * (page.hidden > 1)} left out")
    if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log) or any(
        "depth" in (error.message or "").lower() for error in parser.error_log
    ):
        raise Unreadable("is nested too deeply")
    return Reading.of(parts, title=page.title(), notes=notes)


class _Page:
    """A parsed page on its way to blocks of Markdown."""

    def __init__(self, root: Any) -> None:
        self._root = root
        sheets = ["".join(style.itertext()) for style in root.iter("style")]
        others = any("stylesheet" in link.get("rel", "").lower() for link in root.iter("link"))
        self._hiding = Hiding.of(sheets, others=others)
        self._buffer: list[str] = []
        self.hidden = 0

    def title(self) -> str | None:
        for tag in ("h1", "title"):
            for element in self._root.iter(tag):
                told = " ".join("".join(element.itertext()).split())
                if told and not self._conceals(element, on_white=False):
                    return told
        return None

    def blocks(self) -> Iterator[str]:
        yield from self._walk(self._root, on_white=True)
        yield from self._flush()

    def _walk(self, element: Any, *, on_white: bool) -> Iterator[str]:
        tag = element.tag
        if not isinstance(tag, str) or tag in _NEVER:
            return
        if self._conceals(element, on_white=on_white):
            self.hidden += any(t.strip() for t in element.itertext())
            return
        on_white = on_white and not Hiding.backs(element.attrib)
        if tag == "br":
            self._buffer.append("\n")
        elif tag in _INLINE:
            yield from self._inside(element, on_white=on_white)
        elif tag == "table":
            yield from self._flush()
            yield from self._table(element, on_white=on_white)
        elif tag == "pre":
            yield from self._flush()
            code = "".join(self._visible(element, on_white=on_white)).strip("\n")
            if code.strip():
                yield f"```\n{code}\n```"
        else:
            yield from self._flush()
            inside = list(self._inside(element, on_white=on_white))
            inside += self._flush()
            yield from _marked(tag, inside)

    def _inside(self, element: Any, *, on_white: bool) -> Iterator[str]:
        self._buffer.append((element.text or "").replace("\n", " "))
        for child in element:
            yield from self._walk(child, on_white=on_white)
            self._buffer.append((child.tail or "").replace("\n", " "))

    def _table(self, table: Any, *, on_white: bool) -> Iterator[str]:
        """Yield a table's rows as lines of one block, and what stands beside its rows."""
        rows = []
        for row in table.iter("tr"):
            if self._under_hidden(row, table, on_white=on_white):
                continue
            cells = [
                " ".join("".join(self._visible(cell, on_white=on_white)).split())
                for cell in row
                if cell.tag in ("td", "th")
            ]
            if any(cells):
                rows.append(cells)
        header = header_of(rows)
        lines = [line_of(header, row) for row in (rows[1:] if header else rows)]
        for caption in table.iterchildren("caption"):
            told = " ".join("".join(self._visible(caption, on_white=on_white)).split())
            if told:
                yield told
        if lines:
            yield "\n".join(lines)

    def _under_hidden(self, row: Any, table: Any, *, on_white: bool) -> bool:
        at = row
        while at is not None and at is not table:
            if at is not row and at.tag == "table":
                return True  # Its text is in a cell of the outer table.
            if self._conceals(at, on_white=on_white):
                self.hidden += at is row
                return True
            at = at.getparent()
        return False

    def _visible(self, element: Any, *, on_white: bool) -> Iterator[str]:
        """Yield the text of an element that is seen, cells and blocks apart."""
        if not isinstance(element.tag, str) or element.tag in _NEVER:
            return
        if self._conceals(element, on_white=on_white):
            self.hidden += any(t.strip() for t in element.itertext())
            return
        on_white = on_white and not Hiding.backs(element.attrib)
        apart = element.tag not in _INLINE and element.tag != "pre"
        if apart:
            yield "\n" if element.tag == "br" else " "
        yield element.text or ""
        for child in element:
            yield from self._visible(child, on_white=on_white)
            yield child.tail or ""
        if apart:
            yield " "

    def _conceals(self, element: Any, *, on_white: bool) -> bool:
        return self._hiding.hides(element.tag, element.attrib, on_white=on_white)

    def _flush(self) -> Iterator[str]:
        text = _SPACE.sub(" ", "".join(self._buffer))
        self._buffer.clear()
        text = "\n".join(line for raw in text.split("\n") if (line := raw.strip()))
        if text:
            yield text


def _marked(tag: str, blocks: list[str]) -> Iterator[str]:
    """Put the Markdown of a heading or an item in front of its first block."""
    if not blocks:
        return
    if re.fullmatch("h[1-6]", tag):
        yield f"{'#' * int(tag[1])} {' '.join(' '.join(blocks).split())}"
    elif tag in ("li", "dd"):
        yield f"- {blocks[0]}" if not blocks[0].startswith(("- ", "#", "```")) else blocks[0]
        yield from blocks[1:]
    else:
        yield from blocks
