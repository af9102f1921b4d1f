"""Which characters bytes stand for, when nobody says; guesses are told."""

from __future__ import annotations

import codecs
import re

from concertmaster.retrieval.reading.reading import Unreadable

__all__ = ["decode"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WESTERN = "windows-1252"
_FEW = 0.3
_SAMPLE = 2**16
# What windows-1252 makes of letters of other encodings: signs within words.
_STRANGE = re.compile(r"[a-zà-ÿ][¡-§©-®°-´¶-¹»-¿×÷]+[a-zà-ÿ]|¿[a-zà-ÿ]{1,3}\b|\b[¹³]\w")
_ELSEWHERE = (
    *("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
)


def decode(content: bytes, declared: str | None = None) -> tuple[str, str | None]:
    """Return the text and, if its encoding had to be guessed, a note that says so.

    A byte order mark decides; then UTF-8, if all of it is; then what the file declares. Else
    single lines may be UTF-8 and the others windows-1252, or `charset-normalizer` is asked.

    Raises:
        Unreadable: these bytes are no text, or in no encoding that can be told.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], encoding), None
    if wide := _without_mark(content):
        return _strict(content, wide), f"was read as {wide.upper()}, which it does not say"
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        at = error.start
    if b"\0" in content:
        raise Unreadable(f"is no text: byte {at} is not UTF-8, and there are NUL bytes")
    if declared and (told := _declared(content, declared)) is not None:
        return told, None
    if (mixed := _line_by_line(content)) is not None:
        return mixed, f"mixes UTF-8 and other bytes (the first at {at}), read as {_WESTERN}"
    encoding = _guessed(content, at)
    return _strict(content, encoding), f"is not UTF-8 (byte {at}); it was read as {encoding}"


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not {encoding.upper()} throughout (byte {error.start})") from None


def _without_mark(content: bytes) -> str | None:
    """Tell UTF-16 without a mark: in what Westerners write, every other byte is NUL."""
    sample = content[:_SAMPLE]
    half = len(sample) // 2
    if half < 4 or len(content) % 2:
        return None
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if sample[offset::2].count(0) > half * 0.6 and sample[1 - offset :: 2].count(0) == 0:
            return encoding
    return None


def _declared(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding) if codecs.lookup(encoding)._is_text_encoding else None
    except (LookupError, ValueError):
        return None


def _line_by_line(content: bytes) -> str | None:
    """Decode each line as UTF-8 or else as windows-1252; None unless both occur."""
    lines, both = [], False
    for line in content.split(b"\n"):
        try:
            lines.append(line.decode("utf-8"))
            both = both or not line.isascii()
        except UnicodeDecodeError:
            lines.append(_western(line))
    return "\n".join(lines) if both else None


def _western(content: bytes) -> str:
    # Five bytes stand for nothing in windows-1252.
    return content.decode(_WESTERN, "ignore")


def _guessed(content: bytes, at: int) -> str:
    sample = content[:_SAMPLE]
    try:
        western = content.decode(_WESTERN)
        few = sum(byte > 0x7F for byte in sample) < len(sample) * _FEW
        if few and not _STRANGE.search(western[:_SAMPLE].lower()):
            return _WESTERN
    except UnicodeDecodeError:
        pass
    try:
        from charset_normalizer import from_bytes
    except ModuleNotFoundError:
        raise Unreadable(
            f"is not UTF-8 (byte {at}); guessing needs charset-normalizer:"
            " pip install 'concertmaster[documents]'"
        ) from None
    best = from_bytes(sample, cp_isolation=list(_ELSEWHERE)).best()
    if best is None:
        raise Unreadable(f"is not UTF-8 (byte {at}), nor in an encoding that can be told")
    return str(best.encoding)
