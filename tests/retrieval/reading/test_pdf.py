import io

import pytest

from concertmaster.retrieval.places import place
from concertmaster.retrieval.reading.pdf import read
from concertmaster.retrieval.reading.reading import Unreadable


def why(content: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(content)
    return caught.value.why


def test_text_knows_its_page(plain_pdf) -> None:
    found = read(plain_pdf("A card is free (at first).", "It costs 12 a year.", "Call us."))
    assert found.text == "A card is free (at first).\n\nIt costs 12 a year.\n\nCall us."
    at = found.text.index("It costs")
    assert place(found.marks, at, at + 5) == "p. 2"
    assert place(found.marks, 0, at + 5) == "pp. 1–2"


def test_outline_gives_the_headings(pdf) -> None:
    pages = ("Cards\nA card is free.", "Limits\nA thousand a day.\nAbroad\nFive hundred.")
    found = read(pdf(*pages, outline=[("Cards", 1, 1), ("Limits", 2, 2), ("Abroad", 2, 3)]))
    assert found.text.split("\n\n") == [
        "# Cards",
        "A card is free.",
        "## Limits",
        "A thousand a day.",
        "### Abroad",
        "Five hundred.",
    ]


@pytest.mark.parametrize(
    ("title", "used"),
    [("Fees 2026", "Fees 2026"), ("Microsoft Word - x.doc", None), ("x.INDD", None), ("", None)],
)
def test_title_is_taken_unless_a_program_made_it_up(pdf, title: str, used: str | None) -> None:
    assert read(pdf("Text.", title=title)).title == used


def test_password_is_needed_to_read_what_has_one(pdf) -> None:
    assert why(pdf("Secret.", user_password="x")).startswith("is encrypted")


def test_file_that_is_only_protected_from_changes_is_read(pdf) -> None:
    assert read(pdf("Open text.", password="owner")).text == "Open text."


def test_pages_without_text_are_told(plain_pdf) -> None:
    assert why(plain_pdf("", "")) == "has no text on pages 1, 2, which may be images; use OCR first"
    [note] = read(plain_pdf("Text.", "")).notes
    assert note == "has no text on page 2, which may be images"


@pytest.mark.parametrize("keep", [0, 8, 50, 200, 350, 500])
def test_cut_off_file_is_named_and_never_breaks(plain_pdf, keep: int) -> None:
    content = plain_pdf("Some text here.", "More.")[:keep]
    try:
        told = read(content).text
    except Unreadable as error:
        told = error.why
    assert any(known in told for known in ("damaged", "no text", "Some text", "More."))


def test_one_damaged_page_does_not_take_the_others_away(plain_pdf) -> None:
    whole = plain_pdf("First page.", "Second page.")
    at = whole.index(b"/Contents 5 0 R")
    content = whole[:at] + b"/Contents (x)  " + whole[at + 15 :]
    found = read(content)
    assert "Second page." in found.text
    assert found.notes


def test_outline_that_leads_in_a_circle_ends(pdf) -> None:
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import NameObject

    content = pdf("Text of it.", outline=[("A", 1, 1), ("B", 1, 1)])
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    outline = writer._root_object["/Outlines"].get_object()
    first = outline["/First"].get_object()
    last = outline["/Last"].get_object()
    last[NameObject("/Next")] = first.indirect_reference
    out = io.BytesIO()
    writer.write(out)
    assert "Text of it." in read(out.getvalue()).text


def test_compressed_bomb_is_not_unpacked_without_bound(plain_pdf) -> None:
    import zlib

    packed = zlib.compress(zlib.compress(b"(x) Tj " * 2**22, 9), 9)
    stream = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>" % len(packed)
    whole = plain_pdf("Text.")
    at = whole.index(b"5 0 obj")
    end = whole.index(b"endobj", at)
    body = b"5 0 obj\n" + stream + b"\nstream\n" + packed + b"\nendstream\n"
    try:
        told = read(whole[:at] + body + whole[end:]).text
    except Unreadable as error:
        told = error.why
    assert len(told) <= 2**24
