"""A workspace's own patterns: compiled, and refused if a text could make them slow."""

from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from concertmaster.errors import ConfigError

__all__ = ["LONGEST", "compile_pattern"]

LONGEST = 300
"""Characters that a pattern may have."""

_WAYS = 1_000
_HINT = "write bounded counts such as \\d{6,10} instead of *, + or {6,}"


def compile_pattern(name: str, pattern: str) -> re.Pattern[str]:
    r"""Return a pattern that finds something in time proportional to the text.

    Every count must be bounded, nothing of variable length may be repeated, and the ways in which
    the pattern can begin to match at one place may not exceed a thousand.

    Raises:
        ConfigError: it does not compile, matches nothing at all, or could be slow.

    >>> compile_pattern("customer", r"\bC-\d{8}\b").search("C-00001042") is not None
    True
    """
    whose = f"pattern {name!r}"
    if len(pattern) > LONGEST:
        raise ConfigError(f"{whose} has more than {LONGEST} characters")
    try:
        compiled = re.compile(pattern)
        parsed = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"{whose} is no regular expression: {error}") from None
    if compiled.match("") is not None or parsed.getwidth()[0] == 0:
        raise ConfigError(
            f"{whose} matches an empty text, so it would match everywhere",
            hint="let it begin with something that must be there",
        )
    if _ways(parsed, whose) > _WAYS:
        raise ConfigError(f"{whose} can match in too many ways", hint="bound its counts closer")
    return compiled


def _ways(parsed: Any, whose: str, *, repeated: bool = False) -> int:
    """Return in how many ways a sequence can match at one place.

    Raises:
        ConfigError: a count has no bound, or what is repeated varies in length.
    """
    ways = 1
    for operation, argument in parsed:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            ways *= _of_repeat(argument, whose, repeated=repeated)
        elif name == "SUBPATTERN":
            ways *= _ways(argument[-1], whose, repeated=repeated)
        elif name == "BRANCH":
            if repeated:
                raise ConfigError(f"{whose} repeats a choice, which can be slow", hint=_HINT)
            ways *= sum(_ways(branch, whose) for branch in argument[1])
        elif name in ("ASSERT", "ASSERT_NOT"):
            ways *= _ways(argument[1], whose, repeated=repeated)
        elif name == "ATOMIC_GROUP":
            ways *= _ways(argument, whose, repeated=repeated)
        elif name in ("GROUPREF", "GROUPREF_EXISTS", "GROUPREF_IGNORE"):
            raise ConfigError(f"{whose} refers back to a group", hint="write it without")
        if ways > _WAYS:
            return ways
    return ways


def _of_repeat(argument: Any, whose: str, *, repeated: bool) -> int:
    least, most, inner = argument
    if most > LONGEST:
        raise ConfigError(f"{whose} has a count without a bound, which can be slow", hint=_HINT)
    varies = least != most
    if repeated and varies:
        raise ConfigError(f"{whose} repeats what varies in length", hint=_HINT)
    inside = _ways(inner, whose, repeated=most > 1 or repeated)
    return int(most - least + 1) * inside * (most if inside > 1 else 1)
