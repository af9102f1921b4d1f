"""Credentials of the environment in what a workspace writes down: `Bearer $TRACKER_TOKEN`. Pure.

A workspace names a variable and never its value, so that no key stands in a file that is committed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from concertmaster.errors import ConfigError

__all__ = ["filled", "secret_fault", "unset", "without"]

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)", re.ASCII)
_SECRET = re.compile(r"auth|cookie|credential|key|passw|secret|token", re.I)
_SHORTEST = 6
_TAKEN_OUT = "[credential]"


def secret_fault(names: Mapping[str, str]) -> str | None:
    """Return the first name whose value looks like a credential that is written out, or None.

    >>> secret_fault({"Authorization": "Bearer abc"}), secret_fault({"X-Key": "$KEY"})
    ('Authorization', None)
    """
    return next((n for n, v in names.items() if _SECRET.search(n) and not _named(v)), None)


def unset(texts: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    """Return the variables that are named and have no value, sorted.

    >>> unset({"Authorization": "Bearer $A"}, {}), unset({"X": "${A}"}, {"A": "1"})
    (['A'], [])
    """
    named = {name for text in texts.values() for name in _named(text)}
    return sorted(name for name in named if not environment.get(name))


def filled(
    texts: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[dict[str, str], frozenset[str]]:
    """Return the texts with the variables' values, and those values.

    >>> filled({"Authorization": "Bearer $A"}, {"A": "abc"})
    ({'Authorization': 'Bearer abc'}, frozenset({'abc'}))

    Raises:
        ConfigError: a variable has no value.
    """
    if missing := unset(texts, environment):
        raise ConfigError(
            f"the environment has no {', '.join(missing)}", hint="set it before you start"
        )
    done = {
        key: _VARIABLE.sub(lambda m: environment[m[1] or m[2]], text) for key, text in texts.items()
    }
    return done, frozenset(environment[n] for text in texts.values() for n in _named(text))


def without(value: Any, secrets: frozenset[str]) -> Any:
    """Return plain JSON in which none of these secrets stands, as a key or within a text.

    >>> without({"echo": ["my key is hunter22"]}, frozenset({"hunter22"}))
    {'echo': ['my key is [credential]']}
    """
    known = [s for s in secrets if len(s) >= _SHORTEST]
    return _clean(value, sorted(known, key=len, reverse=True)) if known else value


def _clean(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, _TAKEN_OUT)
        return value
    if isinstance(value, list):
        return [_clean(item, secrets) for item in value]
    if isinstance(value, dict):
        return {_clean(k, secrets): _clean(v, secrets) for k, v in value.items()}
    return value


def _named(text: str) -> list[str]:
    return [a or b for a, b in _VARIABLE.findall(text)]
