import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.retrieval.places import place
from concertmaster.retrieval.reading.csv import read
from concertmaster.retrieval.reading.reading import Unreadable


def where(found, text: str) -> str:
    at = found.text.index(text)
    return place(found.marks, at, at + len(text))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_row_comes_with_the_names_of_its_columns_and_its_number(delimiter: str) -> None:
    rows = ["Card,Fee,Note", "Gold,12.50,", ",,", 'Blue,0,"free, for ever"']
    content = "\r\n".join(rows).replace(",", delimiter).replace(f"e{delimiter} f", "e, f")
    found = read(content.encode())
    assert found.text == "- Card: Gold; Fee: 12.50\n- Card: Blue; Fee: 0; Note: free, for ever"
    assert where(found, "Gold") == "row 2"
    assert where(found, "Blue") == "row 4"
    assert place(found.marks, 0, len(found.text)) == "rows 2–4"


def test_table_without_names_of_columns_is_read_as_it_is() -> None:
    found = read(b"Gold,12\nBlue,0\n")
    assert found.text == "- Gold; 12\n- Blue; 0"
    assert where(found, "Gold") == "row 1"


def test_cell_over_several_lines_is_one_row() -> None:
    found = read(b'Card,Note\nGold,"free\nfor ever"\nBlue,x\n')
    assert found.text == "- Card: Gold; Note: free for ever\n- Card: Blue; Note: x"
    assert where(found, "Blue") == "row 3"


def test_unbalanced_quotes_swallow_nothing() -> None:
    found = read(b'Card,Note\nGold,"open\nBlue,fine\nRed,"also, fine"\n')
    assert found.text.split("\n") == [
        "- Card: Gold; Note: open",
        "- Card: Blue; Note: fine",
        "- Card: Red; Note: also, fine",
    ]
    [note] = found.notes
    assert note.startswith("has unbalanced quotes")


def test_huge_cell_is_read() -> None:
    found = read(b"Card,Note\nGold," + b"x " * 100_000 + b"\nBlue,y\n")
    assert "- Card: Blue; Note: y" in found.text
    assert len(found.notes) == 1


def test_uneven_rows_are_read_and_told() -> None:
    found = read(b"Card,Fee\nGold\nBlue,0,extra\nRed,1\nGrey,2\n")
    assert found.text.startswith("- Card: Gold\n- Card: Blue; Fee: 0; column 3: extra\n")
    assert found.notes == ("2 rows have more or fewer cells than the header",)


def test_formulas_stay_text_and_are_told() -> None:
    found = read(b'Card,Fee\nGold,=1+1\nBlue,-5\nRed,"=HYPERLINK(""http://x"")"\nX,+49 151\n')
    assert "Fee: =1+1" in found.text
    assert found.notes == ("2 cells hold formulas; they were kept as text",)


@pytest.mark.parametrize("content", [b"", b"\n\n", b",,\n,,\n"])
def test_table_without_rows_is_named(content: bytes) -> None:
    with pytest.raises(Unreadable, match="has no rows"):
        read(content)


CELL = st.text("abc ÄÖ0123456789'\"-.,;|\t\n=", max_size=12)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=8))
def test_every_cell_of_a_written_table_is_found_in_its_row(rows: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    written = csv.writer(out, quoting=csv.QUOTE_ALL)
    written.writerow(["Alpha", "Beta", "Gamma"])
    written.writerows(rows)
    try:
        found = read(out.getvalue().encode())
    except Unreadable:
        return
    spans = [*(m.at for m in found.marks), len(found.text)]
    lines = {
        m.number: found.text[a:b] for m, a, b in zip(found.marks, spans, spans[1:], strict=False)
    }
    for number, row in enumerate(rows, start=2):
        for name, cell in zip(("Alpha", "Beta", "Gamma"), row, strict=True):
            if text := " ".join(cell.split()):
                assert f"{name}: {text}" in lines[number]
