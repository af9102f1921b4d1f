"""PDF, page by page; the outline's titles become headings where they stand on their pages."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from concertmaster.retrieval.reading.reading import Part, Reading, Unreadable

__all__ = ["read"]

_MOST_TITLES = 2000
_DEEPEST = 6
_NO_TITLES = (".doc", ".docx", ".indd", ".tex", ".odt", ".qxd", ".pdf")


def read(content: bytes) -> Reading:
    """Read the text of the pages.

    Raises:
        Unreadable: it is encrypted, damaged, or its pages are images.
    """
    from pypdf import PdfReader
    from pypdf.errors import PdfReadError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("is encrypted; remove its password first")
        count = len(reader.pages)
    except Unreadable:
        raise
    except (PdfReadError, PyPdfError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"is damaged, or no PDF ({type(error).__name__})") from None
    if not count:
        raise Unreadable("is damaged, or has no pages")
    titles = _titles(reader)
    texts: dict[int, str] = {}
    broken: list[int] = []
    for number, page in _pages(reader, count):
        text = _text(page)
        if text is None:
            broken.append(number)
        else:
            texts[number] = _with_headings(text, titles.get(number, ()))
    empty = [number for number, text in texts.items() if not any(c.isalnum() for c in text)]
    if len(broken) == count:
        raise Unreadable("is damaged: none of its pages can be read")
    if len(empty) + len(broken) == count:
        raise Unreadable(f"has no text on {_told(empty)}, which may be images; use OCR first")
    notes = [f"has no text on {_told(empty)}, which may be images"] if empty else []
    if broken:
        notes.append(f"cannot be read on {_told(broken)}")
    parts = [Part(text, "page", number) for number, text in texts.items()]
    return Reading.of(parts, title=_title(reader), notes=notes)


def _pages(reader: Any, count: int) -> Iterator[tuple[int, Any]]:
    for number in range(count):
        try:
            page = reader.pages[number]
        except MemoryError:
            raise
        except Exception:
            page = None
        yield number + 1, page


def _text(page: Any) -> str | None:
    if page is None:
        return None
    try:
        # A page's stream may hold anything; whatever it raises, the other pages go on.
        return str(page.extract_text())
    except MemoryError:
        raise
    except Exception:
        return None


def _titles(reader: Any) -> dict[int, list[tuple[int, str]]]:
    """Return the outline's titles by page, with their depth from 1."""
    found: dict[int, list[tuple[int, str]]] = {}
    try:
        waiting = [(1, entry) for entry in reversed(reader.outline)]
        for _ in range(_MOST_TITLES):
            if not waiting:
                break
            depth, entry = waiting.pop()
            if isinstance(entry, list):
                waiting += [(min(depth + 1, _DEEPEST), inner) for inner in reversed(entry)]
                continue
            page, title = reader.get_destination_page_number(entry), str(entry.title or "")
            if page is not None and title.strip():
                found.setdefault(page + 1, []).append((depth, title))
    except MemoryError:
        raise
    except Exception:
        # A damaged outline takes headings away, no text.
        return found
    return found


def _with_headings(text: str, titles: Sequence[tuple[int, str]]) -> str:
    """Mark the lines of a page that are titles of the outline as headings."""
    depths = {" ".join(title.split()).casefold(): depth for depth, title in titles}
    lines = []
    for line in text.split("\n"):
        depth = depths.pop(" ".join(line.split()).casefold(), 0)
        lines.append(f"\n{'#' * depth} {' '.join(line.split())}\n" if depth else line)
    return "\n".join(lines)


def _title(reader: Any) -> str | None:
    try:
        title = str((reader.metadata and reader.metadata.title) or "").strip()
    except MemoryError:
        raise
    except Exception:
        return None
    bare = title.lower()
    made_up = bare.endswith(_NO_TITLES) or bare.startswith(("untitled", "microsoft word"))
    return None if made_up else title or None


def _told(pages: Sequence[int]) -> str:
    listed = ", ".join(map(str, pages[:10]))
    more = f" and {len(pages) - 10} more" if len(pages) > 10 else ""
    return f"page {listed}" if len(pages) == 1 else f"pages {listed}{more}"
