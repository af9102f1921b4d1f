"""Word documents: paragraphs, headings, lists and tables in their order."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from concertmaster.retrieval.reading.reading import Part, Reading, Unreadable
from concertmaster.retrieval.reading.rows import header_of, line_of

__all__ = ["read"]

_LARGEST = 256 * 2**20
_LARGEST_XML = 64 * 2**20
_MOST_FILES = 10_000
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_SMALLEST = 1.0


def read(content: bytes) -> Reading:
    """Read the body. Hidden runs are left out; headers, notes and text boxes are not read.

    Raises:
        Unreadable: it is encrypted, damaged, declares XML entities, or unpacks to too much.
    """
    if content.startswith(_OLE):
        raise Unreadable("is encrypted, or in the format of Word 97; save it as .docx")
    _check(content)
    import docx
    from docx.opc.exceptions import PackageNotFoundError

    try:
        document = docx.Document(io.BytesIO(content))
        body = _Body(document)
        parts = list(body.parts())
        title = body.title or str(document.core_properties.title or "")
    except (Unreadable, MemoryError, RecursionError):
        raise
    except (PackageNotFoundError, Exception) as error:
        raise Unreadable(f"is damaged, or no Word document ({type(error).__name__})") from None
    notes = [f"{body.hidden} pieces of hidden text left out"] if body.hidden else []
    return Reading.of(parts, title=title, notes=notes)


def _check(content: bytes) -> None:
    """Look at the archive before anything of it is unpacked; declared sizes are held to."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = archive.infolist()
            xml = [f for f in files if f.filename.lower().endswith((".xml", ".rels"))]
            if len(files) > _MOST_FILES or sum(f.file_size for f in files) > _LARGEST:
                raise Unreadable(f"unpacks to more than {_LARGEST // 2**20} MiB")
            if any(f.file_size > _LARGEST_XML for f in xml):
                raise Unreadable(f"holds XML of more than {_LARGEST_XML // 2**20} MiB")
            for file in xml:
                with archive.open(file) as stream:
                    start = stream.read(4096).replace(b"\0", b"")
                if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
                    raise Unreadable("declares XML entities, which no Word document does")
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError):
        raise Unreadable("is damaged, or no Word document") from None
    except zipfile.LargeZipFile:
        raise Unreadable(f"unpacks to more than {_LARGEST // 2**20} MiB") from None


class _Body:
    """The blocks of a document on their way to Markdown."""

    def __init__(self, document: Any) -> None:
        self._document = document
        # Looked up once: python-docx searches all styles for each paragraph and run.
        self._styles = {str(s.style_id): s for s in document.styles}
        self._concealing: dict[str, bool] = {}
        self.title: str | None = None
        self.hidden = 0

    def parts(self) -> Iterator[Part]:
        """Yield headings, paragraphs and tables; paragraphs without text do not count."""
        from docx.table import Table

        paragraphs = tables = 0
        item = False
        for block in self._document.iter_inner_content():
            if isinstance(block, Table):
                tables += 1
                item = False
                yield Part("\n".join(self._rows(block)), "table", tables)
                continue
            text = " ".join(self._text(block).split())
            if not text:
                continue
            paragraphs += 1
            mark = self._mark(block)
            if mark == "# " and self.title is None:
                self.title = text
            # Items of a list follow each other without a blank line.
            yield Part(f"{mark}{text}", "paragraph", paragraphs, close=item and mark == "- ")
            item = mark == "- "

    def _text(self, paragraph: Any) -> str:
        from docx.text.run import Run

        told = []
        for run in paragraph.iter_inner_content():
            pieces = [run] if isinstance(run, Run) else list(run.runs)
            for piece in pieces:
                if self._is_hidden(piece):
                    self.hidden += bool(piece.text.strip())
                else:
                    told.append(piece.text)
        return "".join(told)

    def _rows(self, table: Any) -> Iterator[str]:
        rows = []
        for row in table.rows:
            cells, seen = [], None
            for cell in row.cells:
                if cell._tc is seen:
                    continue  # Merged cells come once for each column that they cover.
                seen = cell._tc
                cells.append(self._cell(cell))
            if any(cells):
                rows.append(cells)
        header = header_of(rows)
        for cells in rows[1:] if header else rows:
            yield line_of(header, cells)

    def _cell(self, cell: Any) -> str:
        told = [self._text(paragraph) for paragraph in cell.paragraphs]
        for table in cell.tables:
            told += [line.removeprefix("- ") for line in self._rows(table)]
        return " ".join(" ".join(told).split())

    def _mark(self, paragraph: Any) -> str:
        """Return the Markdown in front of a paragraph, by the name of its style."""
        style = self._styles.get(str(paragraph._p.style))
        name = str((style is not None and style.name) or "").lower()
        if name == "title":
            return "# "
        if name.startswith("heading ") and name[8:].isdigit():
            return f"{'#' * min(int(name[8:]), 6)} "
        numbered = paragraph._p.pPr is not None and paragraph._p.pPr.numPr is not None
        return "- " if numbered or name.startswith("list ") else ""

    def _is_hidden(self, run: Any) -> bool:
        if run._r.rPr is None:
            return False
        key = str(run._r.style)
        if key not in self._concealing:
            style = self._styles.get(key)
            self._concealing[key] = style is not None and _conceals(style.font)
        return self._concealing[key] or _conceals(run.font)


def _conceals(font: Any) -> bool:
    small = font.size is not None and font.size.pt <= _SMALLEST
    return bool(font.hidden or small)
