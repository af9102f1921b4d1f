"""A call as the command line gets it: read, checked, its facts looked up if that is asked for."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from concertmaster.cli.policies import Opened
from concertmaster.errors import ConfigError, ToolError
from concertmaster.graphs.sources import Source
from concertmaster.graphs.validation import validate
from concertmaster.policies.trials import CallCase
from concertmaster.tools.declaration import ToolContext
from concertmaster.tools.facts import resolve_facts

__all__ = ["read_call", "resolved"]

_LARGEST = 2_000_000
_KEYS = f"its keys are {', '.join(CallCase.model_fields)}"


def read_call(given: str) -> CallCase:
    """Read a call from JSON, a file, or standard input.

    Raises:
        ConfigError: it cannot be read or does not describe a call.
    """
    where, text = _text(given)
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{where} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}",
            hint='write {"tool": "…", "arguments": {…}, "principal": "…"}',
        ) from None
    except (ValueError, RecursionError) as error:
        told = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(f"{where} cannot be read: {told}") from None
    case, problems = validate(CallCase, Source(Path(where), value))
    if problems:
        told = "; ".join(
            p.message.replace("the file", "it", 1) + (f" ({p.hint})" if p.hint else "")
            for p in problems
        )
        raise ConfigError(f"{where} describes no call: {told}", hint=_KEYS)
    found: CallCase = case
    return found


async def resolved(case: CallCase, place: Opened, home: Path | None) -> tuple[CallCase, str | None]:
    """Look the facts of a call up; return it with them, or why they could not be had.

    Raises:
        ConfigError: the call brings its own facts.
        CaseError: it names a principal that does not exist.
    """
    if case.facts is not None:
        raise ConfigError(
            "the call brings its facts, and --resolve looks them up", hint="keep one of the two"
        )
    tool = place.toolbox.get(case.tool)
    if tool is None or tool.facts is None:
        return case, None
    with tempfile.TemporaryDirectory() as fresh:
        ctx = ToolContext(
            principal=place.setting.principal_of(case),
            run="run-explained",
            thread="explained",
            idempotency_key="explained",
            data_dir=_data(place, home, Path(fresh)),
        )
        try:
            facts = await resolve_facts(tool, case.arguments, ctx)
        except ToolError as error:
            return case, error.message
    return case.model_copy(update={"facts": dict(facts or {})}), None


def _data(place: Opened, home: Path | None, fresh: Path) -> Path:
    """Return the tools' data of a home; without one, data that the tools' setup makes."""
    from concertmaster.cli.console import note
    from concertmaster.cli.places import chosen_homes, home_of

    chosen = home_of(place.workspace) if place.workspace else None
    if home is not None:
        chosen = chosen_homes(home, None)[0]
    if chosen is not None and (chosen / "data").is_dir():
        note(f"facts are looked up in {chosen}")
        return chosen / "data"
    note(f"there is no home{f' {chosen}' if chosen else ''}: facts come from data made just now")
    place.toolbox.prepare(fresh)
    return fresh


def _text(given: str) -> tuple[str, str]:
    if given == "-":
        return "standard input", sys.stdin.read(_LARGEST)
    if given.lstrip()[:1] in ("{", "["):
        return "the call", given
    path = Path(given).expanduser()
    try:
        return str(path), path.read_text("utf-8")[:_LARGEST]
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"{given} cannot be read: {told}", hint="--call takes a file, - or a JSON object"
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found
