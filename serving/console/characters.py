"""Texts as people may see them: nothing in them is invisible or reorders others. Pure."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["hidden", "plain_json", "visible"]


def visible(text: object) -> str:
    r"""Return a text in which invisible and reordering characters are written out.

    Lines and tabs stay. What comes back is not escaped: that is up to the template.

    >>> visible("pay\u202e now")
    'pay\\u202e now'
    """
    return "".join(c if c in "\n\t" or c.isprintable() else ascii(c)[1:-1] for c in str(text))


def hidden(text: str) -> str:
    r"""Return the characters of a text that nobody sees, written out, each once.

    >>> hidden("a\u200bb\u200b")
    '\\u200b'
    """
    found = (c for c in text if c not in "\n\t" and not c.isprintable())
    return " ".join(dict.fromkeys(ascii(c)[1:-1] for c in found))


def plain_json(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON, letters of all languages as they are."""
    return json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=False)
