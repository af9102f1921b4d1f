"""Files of several formats, made in code."""

import io
import zipfile
from collections.abc import Callable, Sequence

import pytest


def _escaped(text: str) -> bytes:
    told = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return told.encode("latin-1")


def _stream(text: str) -> bytes:
    lines = b"".join(b"(" + _escaped(line) + b") Tj T*\n" for line in text.split("\n"))
    return b"BT /F1 12 Tf 14 TL 72 720 Td\n" + lines + b"ET" if text else b""


@pytest.fixture(scope="session")
def plain_pdf() -> Callable[..., bytes]:
    """Make a PDF with these pages of text, written by hand."""

    def make(*pages: str) -> bytes:
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count %d /Kids [%s] >>"
            % (len(pages), b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(len(pages)))),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        ]
        for number, text in enumerate(pages):
            content = _stream(text)
            objects.append(
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
                b" /Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * number)
            )
            objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        out = io.BytesIO()
        out.write(b"%PDF-1.7\n")
        offsets = []
        for number, body in enumerate(objects, start=1):
            offsets.append(out.tell())
            out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        at = out.tell()
        out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
        out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
        out.write(
            b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
            % (len(objects) + 1, at)
        )
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def pdf(plain_pdf) -> Callable[..., bytes]:
    """Make a PDF with an outline of (title, page, depth), a title or a password."""
    from pypdf import PdfReader, PdfWriter

    def make(
        *pages: str,
        outline: Sequence[tuple[str, int, int]] = (),
        title: str = "",
        password: str | None = None,
        user_password: str | None = None,
    ) -> bytes:
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(plain_pdf(*pages))))
        above: dict[int, object] = {}
        for told, page, depth in outline:
            above[depth] = writer.add_outline_item(
                title=told, page_number=page - 1, parent=above.get(depth - 1)
            )
        if title:
            writer.add_metadata({"/Title": title})
        if password is not None or user_password is not None:
            writer.encrypt(user_password or "", password, algorithm="AES-256")
        out = io.BytesIO()
        writer.write(out)
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def docx() -> Callable[..., bytes]:
    """Make a Word document of ("style", "text") pairs and of tables, which are lists of rows."""
    from docx import Document

    def make(*blocks: tuple[str, str] | Sequence[Sequence[str]], then=None) -> bytes:
        document = Document()
        for block in blocks:
            if isinstance(block, tuple):
                document.add_paragraph(block[1], style=block[0] or None)
                continue
            table = document.add_table(rows=0, cols=len(block[0]))
            for row in block:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
        if then is not None:
            then(document)
        out = io.BytesIO()
        document.save(out)
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def rezipped() -> Callable[[bytes, dict[str, bytes]], bytes]:
    """Replace files in an archive, or add them."""

    def make(archive: bytes, files: dict[str, bytes]) -> bytes:
        out = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(archive)) as old,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in old.namelist():
                new.writestr(name, files.get(name) or old.read(name))
            for name in files.keys() - set(old.namelist()):
                new.writestr(name, files[name])
        return out.getvalue()

    return make
