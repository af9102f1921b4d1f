"""Text in the form in which detectors read it, with the way back to where each character stood.

Digits of any script, wide and mathematical letters, odd spaces and dashes become their ASCII
selves; what is invisible (zero-width characters, variation selectors) is taken out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

__all__ = ["Folded", "fold", "lowered"]

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u20e3\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)


class _Table(dict[int, int | str]):
    """What each character is read as; filled as characters come up."""

    def __missing__(self, code: int) -> int | str:
        self[code] = read = _read(code)
        return read


def _read(code: int) -> int | str:
    character = chr(code)
    if code < 128:
        return code
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if unicodedata.category(character) == "Pd" or character == "\u2212":
        return "-"
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() else code


_TABLE = _Table()


@dataclass(frozen=True)
class Folded:
    """Folded text; `places` are the original positions of its characters, None if all the same.

    The last place is the length of the original.
    """

    text: str
    places: list[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a span stands in the original, with what is invisible after it."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end]


def fold(text: str) -> Folded:
    """Return the text as detectors read it.

    >>> fold("４１ １１").text
    '41 11'
    """
    if text.isascii():
        return Folded(text)
    if _INVISIBLE.search(text) is None:
        return Folded(text.translate(_TABLE))
    places = [i for i, c in enumerate(text) if _INVISIBLE.match(c) is None]
    seen = "".join([text[i] for i in places]).translate(_TABLE)
    return Folded(seen, [*places, len(text)])


def lowered(text: str) -> str:
    """Return the text in lower case, every character in its place."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.translate(_LOWER)


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
