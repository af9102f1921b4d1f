"""Which part of an output nobody but the system or the account's owner could have written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["each", "keys", "names", "rating"]

_NAME = re.compile(r"[\w.&'’-]{1,40}(?: [\w.&'’-]{1,40}){0,3}")
_RATING = re.compile(r"Rating: (\d+(?:\.\d+)?)\n")


def each(keep: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    """Return an endorser that looks at each record of a list (or the only one) by itself."""

    def endorse(output: Any) -> Any:
        records = output if isinstance(output, list) else [output]
        return [keep(record) for record in records if isinstance(record, Mapping)] or None

    return endorse


def names(output: Any) -> Any:
    """Keep the entries of a list that have the form of a name: at most four short words."""
    entries = output if isinstance(output, list) else []
    return [entry for entry in entries if isinstance(entry, str) and _NAME.fullmatch(entry)]


def keys(output: Any) -> Any:
    """Keep the keys of a mapping: the catalogue's own names, not what is said about them."""
    return list(output) if isinstance(output, Mapping) else None


def rating(output: Any) -> Any:
    """Keep names and numbers of a mapping from names to a rating with guests' reviews."""
    if not isinstance(output, Mapping):
        return None
    found = {name: _RATING.match(str(text)) for name, text in output.items()}
    return {name: match.group(1) if match else None for name, match in found.items()}
