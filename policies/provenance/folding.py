"""Texts as they compare: case, spaces, quotes, dashes and invisible characters do not count.

Letters of different scripts stay different: a Cyrillic look-alike is another letter.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["SEPARATOR", "clean", "fold", "hides", "shown", "unescaped"]

SEPARATOR = "\x01"
"""Stands between the texts of one source, so that nothing is found across two of them."""

_INVISIBLE_CHARACTERS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_CONTROLS = "\x00\x02-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
_CONTROL = re.compile(f"[{_CONTROLS}]+")
_INVISIBLE = re.compile(f"[{_INVISIBLE_CHARACTERS}{_CONTROLS}]+")
# Tag characters spell ASCII that nobody sees; long runs of other invisible ones can do the same.
_HIDDEN = re.compile(f"[\U000e0000-\U000e0fff]|[{_INVISIBLE_CHARACTERS}{_CONTROLS}\x01]{{4}}")
_MARKS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′‹›`´ʼ＇", "'"),
        **dict.fromkeys("“”„‟«»″〝〞＂", '"'),
        **dict.fromkeys("‐‑‒–−﹘﹣－", "-"),
        "\u2800": " ",
    }
)
_LONG_DASH = re.compile("[—―]")
# Scripts without spaces between words, and where they meet another one.
_DENSE = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_MEETING = re.compile(f"(?<=[{_DENSE}])(?=[^\\W{_DENSE}])|(?<=[^\\W{_DENSE}])(?=[{_DENSE}])")
_ESCAPE = re.compile(
    r"""\\(?:\r?\n[ \t]*(?:\\(?=[ ]))?|([ntr"'/\\])|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))"""
)
_BLANKS = {"n": " ", "t": " ", "r": " "}


def clean(text: str) -> str:
    """Return a text without the separator."""
    return text.replace(SEPARATOR, "")


def shown(text: str) -> str:
    """Return a text as a reader sees it: invisible characters gone, spaces single, case kept.

    The separator stays; texts of a call go through `clean` first.
    """
    if text.isascii():
        if not text.isprintable():
            text = _CONTROL.sub("", text)
        text = text.replace("`", "'")
    else:
        text = _INVISIBLE.sub("", text).translate(_MARKS)
        text = unicodedata.normalize("NFKC", text)
    if "''" in text:  # YAML doubles a quote inside of quotes
        text = text.replace("''", "'")
    return " ".join(text.split())


def fold(seen: str) -> str:
    """Return what `shown` gave, without regard to case.

    Long dashes part words, and so does the border between scripts with and without spaces.
    """
    if seen.isascii():
        return seen.lower()
    text = _LONG_DASH.sub(" - ", seen)
    if text != seen:
        text = " ".join(text.split())
    return _MEETING.sub(" ", unicodedata.normalize("NFKC", text.casefold()))


def unescaped(text: str) -> str:
    r"""Return a text with the escapes of JSON and YAML (`\n`, `\"`, wrapped lines) undone."""
    if "\\" not in text:
        return text
    text = _ESCAPE.sub(_plain, text)
    # Pairs of surrogates become the one character they stand for.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def hides(text: str) -> bool:
    """Tell whether a text carries characters that nobody sees, enough of them to spell words."""
    return not text.isprintable() and _HIDDEN.search(text) is not None


def _plain(found: re.Match[str]) -> str:
    short, four, two = found.groups()
    if short:
        return _BLANKS.get(short, short)
    digits = four or two
    return chr(int(digits, 16)) if digits else ""
