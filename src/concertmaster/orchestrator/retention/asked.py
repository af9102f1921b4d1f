"""What somebody asks for at a command in place of what a workspace declares. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from concertmaster.contracts.retention import SECTIONS, RetentionSpec
from concertmaster.errors import ConfigError

__all__ = ["asked"]

_WITHOUT = ("threads", "checkpoints")
"""What is meant where neither the workspace nor the command names anything. Never the trail."""


def asked(
    spec: RetentionSpec,
    *,
    only: Sequence[str] = (),
    older_than: str | None = None,
    keep: int | None = None,
) -> RetentionSpec:
    """Return the bounds that count: those declared, with what is asked for in their place.

    Args:
        spec: what the workspace declares.
        only: sections; without it those that are declared, else threads and their states.
        older_than: the age in place of each section's own.
        keep: how many of each thread, for the sections that count so.

    >>> asked(RetentionSpec(), older_than="30d", keep=5).model_dump(exclude_none=True)
    ... # doctest: +NORMALIZE_WHITESPACE
    {'checkpoints': {'per_thread': 5, 'after': 2592000.0}, 'threads': {'after': 2592000.0},
     'every': 3600.0}

    Raises:
        ConfigError: there is no such section, nothing bounds it, or a value is none.
    """
    unknown = [name for name in only if name not in SECTIONS]
    if unknown:
        raise ConfigError(
            f"{unknown[0]!r} is no kind of thing", hint=f"one of {', '.join(SECTIONS)}"
        )
    wanted = only or spec.declared or (_WITHOUT if older_than or keep else ())
    bounds: dict[str, dict[str, Any]] = {}
    for name in wanted:
        declared = getattr(spec, name)
        found = declared.model_dump(exclude_none=True) if declared else {}
        if older_than is not None:
            found["after"] = older_than
        if keep is not None and _counts(name):
            found["per_thread"] = keep
        if found:
            bounds[name] = found
        elif name in only:
            raise ConfigError(
                f"nothing says how long {name} are kept",
                hint="give --older-than or, for checkpoints and runs, --keep",
            )
    try:
        return RetentionSpec.model_validate(bounds)
    except ValueError as error:
        reason = str(error).splitlines()[2].strip().partition(" [")[0]
        raise ConfigError(f"these bounds make no sense: {reason}") from None


def _counts(section: str) -> bool:
    """Tell whether a section has a number for each thread."""
    return section in ("checkpoints", "runs")
