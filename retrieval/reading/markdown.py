"""Markdown with an optional head in YAML."""

from __future__ import annotations

import re

from concertmaster.contracts import plain_text
from concertmaster.retrieval.front_matter import split_head
from concertmaster.retrieval.reading.decoding import decode
from concertmaster.retrieval.reading.reading import Part, Reading

__all__ = ["read"]

_TITLE = re.compile(r"^[ ]{0,3}#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_FENCE = re.compile(r"[ ]{0,3}(```|~~~)")


def read(content: bytes) -> Reading:
    """Read Markdown; comments are left out, since nobody who reads the page sees them.

    Raises:
        BrokenHead: what the document says of itself cannot be read.
    """
    text, note = decode(content)
    head, body = split_head(plain_text(text))
    body, comments = _without_comments(body)
    heading = _TITLE.search(body)
    notes = [note] if note else []
    if comments:
        notes.append(f"{comments} hidden comment{'s' * (comments > 1)} left out")
    title = heading.group(1) if heading else None
    return Reading.of([Part(body)], title=title, head=head, notes=notes)


def _without_comments(text: str) -> tuple[str, int]:
    """Return the text without `<!-- … -->`, but for those that code shows; and their number."""
    if "<!--" not in text:
        return text, 0
    kept: list[str] = []
    fence, found, at, end = "", 0, 0, 0
    while at < len(text):
        opening = None
        if at >= end:  # A line begins; looked for once a line, however many comments it has.
            end = text.find("\n", at) + 1 or len(text)
            opening = _FENCE.match(text, at, end)
        start = -1 if fence or opening else text.find("<!--", at, end)
        if opening and (not fence or opening[1] == fence):
            fence = "" if fence else opening[1]
        if start < 0 or text.count("`", at, start) % 2:
            kept.append(text[at:end])
            at = end
            continue
        kept.append(text[at:start])
        found += 1
        close = text.find("-->", start + 4)
        at = len(text) if close < 0 else close + 3
    return "".join(kept), found
