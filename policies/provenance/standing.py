"""Whether a text stands in another one as whole words, and not as a part of a longer name."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["WORD", "stands"]

WORD = re.compile(r"\w+")
_JOINERS = frozenset(".-@/\\+%&'#:,")
_MAX_HITS = 2000


def stands(text: str, wanted: str) -> bool:
    """Tell whether `wanted` stands in `text`, bounded by the ends of words on both sides.

    Names that are joined by a point, a dash, `@` or the like are one word: `evil.com` does not
    stand in `not-evil.com`, nor `1042` in `10.42.1042`. Nothing stands nowhere.
    """
    if not wanted:
        return False
    at = text.find(wanted)
    for _ in range(_MAX_HITS):
        if at < 0:
            return False
        end = at + len(wanted)
        if _free_before(text, at) and _free_after(text, end):
            return True
        at = text.find(wanted, at + 1)
    return False


def _word(char: str) -> bool:
    return (
        char.isalnum() or char == "_" or (char > "\u02ff" and unicodedata.category(char) in _MARK)
    )


_MARK = ("Mn", "Mc", "Me")


def _free_before(text: str, at: int) -> bool:
    if at == 0:
        return True
    near, first = text[at - 1], text[at]
    if not _word(first):
        return near != first and not (first in _JOINERS and _word(near))
    if near == " ":
        return True
    if _word(near):
        return False
    far = at - 1
    while far >= 0 and text[far] in _JOINERS:
        far -= 1
    if far < 0 or far == at - 1 or not _word(text[far]):
        return True
    return _parts(text[far], text[far + 1 : at], first, text, at)


def _free_after(text: str, end: int) -> bool:
    if end == len(text):
        return True
    near, last = text[end], text[end - 1]
    if not _word(last):
        return near != last and not (last in _JOINERS and _word(near))
    if near == " ":
        return True
    if _word(near):
        return False
    far = end
    while far < len(text) and text[far] in _JOINERS:
        far += 1
    if far == len(text) or far == end or not _word(text[far]):
        return True
    joint = text[end:far]
    if joint == "'" and text[far] == "s" and (far + 1 == len(text) or not _word(text[far + 1])):
        return True
    return _parts(last, joint, text[far], text, end)


def _parts(left: str, joint: str, right: str, text: str, at: int) -> bool:
    """Tell whether what stands between two words parts them."""
    if joint in ":," and not (left.isdigit() and right.isdigit()):
        return True
    if joint != "/":
        return False
    # "Ana/Bob" are two words, "good.com/evil" and "05/26" are one.
    start = text.rfind(" ", 0, at) + 1
    stop = text.find(" ", at)
    chunk = text[start : stop if stop >= 0 else len(text)].strip("\"'().,;:!?[]{}")
    return all(part.isalpha() for part in chunk.split("/"))
