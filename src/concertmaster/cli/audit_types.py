"""Event types as they may be typed: a type, or the family before its dot."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_args

from concertmaster.contracts.events import EventType
from concertmaster.errors import ConfigError

__all__ = ["event_types"]


def event_types(given: Sequence[str]) -> list[Any] | None:
    """Return the types that are meant, None for all of them.

    Raises:
        ConfigError: there is no such type or family.
    """
    if not given:
        return None
    known: tuple[str, ...] = get_args(EventType)
    chosen: list[str] = []
    for name in given:
        family = [type_ for type_ in known if name in (type_, type_.partition(".")[0])]
        if not family:
            close = get_close_matches(name, known, n=3) or known
            raise ConfigError(f"{name!r} is no event type", hint=f"one of {', '.join(close)}")
        chosen += family
    return chosen
