"""A text as its reader sees it: no markup, no invisible characters, one form of each letter. Pure.

The checks compare what is seen, so that a mark or a character without width neither hides a
figure nor makes a wrong one look right.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["folded", "tokens", "visible"]

_HIDDEN = re.compile(r"<!--.*?(?:-->|$)|</?[a-zA-Z][^<>]{0,200}>", re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,500}\)")
_MARKS = re.compile(
    r"\*+|__+|`+|~~|\\(?=[^\w\s])|^\s*(?:[-+•]|\d{1,2}[.)])\s+|^#+\s+", re.MULTILINE
)
_ALIKE = str.maketrans("’‘ʼ“”„«»‐‑‒–—−", '\'\'\'"""""------')
_APART = re.compile(r"\s+(?=n't\b|'(?:s|m|re|ve|ll|d)\b)|(?<=\w)\s+(?=-\s+\w)|(?<=\w\s-)\s+(?=\w)")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W\d_]+)?")


@lru_cache(maxsize=4096)
def visible(text: str) -> str:
    """Return what a reader sees of a text, letters and digits in their plain form (NFKC).

    >>> visible("The **fee** is 1\\u200b2\\u00a0<b>EUR</b>")
    'The fee is 12 EUR'
    """
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(_shown(c) for c in plain)
    plain = _LINK.sub(r"\1", _HIDDEN.sub("", plain))
    plain = _MARKS.sub("", plain).translate(_ALIKE)
    return " ".join(plain.replace(" & ", " and ").split())


def _shown(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Nd":
        return str(unicodedata.digit(character))
    return "" if kind in ("Cf", "Co", "Cn") else character


def folded(text: str) -> str:
    """Return what is seen of a text in lower case, without the full stop at its end."""
    return visible(text).lower().rstrip(".")


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case, contractions as one.

    >>> tokens("It is n't a twelve-bar blues.")
    ('it', "isn't", 'a', 'twelve', 'bar', 'blues')
    """
    return tuple(_TOKEN.findall(_APART.sub("", visible(text).lower())))
