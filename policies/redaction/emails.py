"""E-mail addresses, in any script, at the size limits of RFC 5321."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["find_emails"]

_DOMAIN = r"(?:\w(?:[\w-]{0,61}\w)?\.){1,8}(?:xn--[a-zA-Z0-9-]{1,59}|[^\W\d_]{2,63})(?![\w-])"
_AT = re.compile(rf"(?<=[\w.!#$%&'*+/=?^`{{|}}~-])@({_DOMAIN})")
_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+")  # read backwards


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield where addresses stand in folded text.

    >>> [*find_emails("write to ana@example.com, please")]
    [(9, 24)]
    """
    for at in _AT.finditer(text):
        local = _LOCAL.match(text[max(0, at.start() - 64) : at.start()][::-1])
        kept = local[0].rstrip(".'*/=?^`{|}~-#!") if local else ""
        if kept:
            yield at.start() - len(kept), at.end()
