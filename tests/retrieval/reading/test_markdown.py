import pytest

from concertmaster.retrieval.reading.markdown import read


@pytest.mark.parametrize(
    ("text", "kept", "hidden"),
    [
        ("Seen <!-- CANARY --> text.", "Seen  text.", 1),
        ("Seen.\n\n<!--\nCANARY\n\nmore\n-->\n\nAlso.", "Seen.\n\n\n\nAlso.", 1),
        ("Seen. <!-- CANARY without an end\n\nMore CANARY.", "Seen.", 1),
        ("a <!-- x --> b <!-- y --> c", "a  b  c", 2),
        ("```html\n<!-- shown -->\n```\nText.", "```html\n<!-- shown -->\n```\nText.", 0),
        ("Write `<!-- shown -->` so.", "Write `<!-- shown -->` so.", 0),
        ("~~~\n```\n<!-- shown -->\n~~~\n<!-- CANARY -->end", None, 1),
    ],
)
def test_comments_are_left_out_but_not_those_that_code_shows(text, kept, hidden) -> None:
    found = read(text.encode())
    assert "CANARY" not in found.text
    assert kept is None or found.text == kept
    assert [note.split()[0] for note in found.notes] == ([str(hidden)] if hidden else [])


def test_control_characters_and_nul_are_dropped() -> None:
    assert read(b"A\0 card\x1b[2J is\xe2\x80\xae free.").text == "A card[2J is free."


def test_title_is_the_first_heading() -> None:
    assert read(b"---\nowner: x\n---\nIntro\n\n# The Card #\n").title == "The Card"
