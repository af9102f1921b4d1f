import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.retrieval.reading.decoding import decode
from concertmaster.retrieval.reading.reading import Unreadable

ENGLISH = "A café charges £4 for naïve guests."


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_text_in_an_encoding_that_shows_comes_back(text: str) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert decode(text.encode(encoding)) == (text, None)


@given(st.binary(max_size=300))
def test_bytes_are_text_or_named(content: bytes) -> None:
    try:
        told = decode(content)[0]
    except Unreadable as error:
        told = error.why or "\ud800"
    assert told.encode() or not content.strip(b"\xef\xbb\xbf\xff\xfe\0")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ENGLISH, "windows-1252"),
        ("Le prélèvement est gratuit – jusqu’à 25 ans.", "windows-1252"),
        ("Opłata za kartę wynosi 5 zł. Zażółć gęślą jaźń, proszę.", "cp1250"),
        ("Плата за карту составляет пять рублей в месяц.", "cp1251"),
        ("カードの年会費は無料です。お問い合わせください。", "shift_jis"),
        ("信用卡年费为一百元。请联系客服办理。", "gb18030"),
    ],
)
def test_other_encodings_are_guessed_and_told(text: str, encoding: str) -> None:
    found, note = decode(text.encode(encoding))
    assert found == text
    assert note is not None
    assert f"it was read as {encoding}" in note


def test_mixed_encodings_are_told_line_by_line() -> None:
    content = f"{ENGLISH}\n".encode() + f"{ENGLISH}\n".encode("latin-1")
    found, note = decode(content)
    assert found == f"{ENGLISH}\n{ENGLISH}\n"
    assert note is not None
    assert note.startswith("mixes UTF-8 and other bytes")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_told(encoding: str) -> None:
    assert decode(ENGLISH.encode(encoding))[0] == ENGLISH


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (bytes(range(256)) * 4, "is no text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff", "is no text"),
        (b"\xff\xfea", "is not UTF-16-LE throughout"),
        (b"\xef\xbb\xbfcaf\xe9", "is not UTF-8 throughout"),
    ],
)
def test_what_is_no_text_is_named(content: bytes, told: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(content)
    assert caught.value.why.startswith(told)


def test_declared_encoding_goes_before_a_guess() -> None:
    assert decode("Zażółć".encode("cp1250"), "cp1250") == ("Zażółć", None)
    assert decode("café".encode("latin-1"), "no-such-encoding")[0] == "café"
