"""A user of the embedded store, and which names are names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from concertmaster.contracts import Principal
from concertmaster.contracts.base import Record
from concertmaster.errors import ConfigError

__all__ = ["MOST_NAMES", "User", "checked_id", "checked_names", "is_name"]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_RESERVED = frozenset({"anonymous", "concertmaster", "everyone"})
MOST_NAMES = 200
"""How many roles, or groups, somebody may have."""


class User(Record):
    """Somebody whom the embedded store knows: a principal, and whether it may act at all."""

    principal: Principal
    disabled: bool = False
    created: str

    @property
    def id(self) -> str:
        """The principal's id."""
        return self.principal.id


def checked_id(id_: str) -> str:
    """Return an id that a user may have. A colon is for people whom an issuer's token names.

    Raises:
        ConfigError: it is none.
    """
    if not _ID.fullmatch(id_) or id_.lower() in _RESERVED:
        raise ConfigError(
            f"{id_[:80]!r} cannot be the id of a user",
            hint="up to 100 ASCII letters, digits and . _ @ + -, beginning with a letter or digit;"
            f" not {', '.join(sorted(_RESERVED))}",
        )
    return id_


def checked_names(kind: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return roles or groups without doubles, in their order; a tenant as one of them.

    Raises:
        ConfigError: one is no name, or there are too many.
    """
    found = tuple(dict.fromkeys(names))
    for name in found:
        if not is_name(name):
            raise ConfigError(
                f"{name[:80]!r} cannot be a {kind}",
                hint="up to 100 visible characters without spaces and commas",
            )
    if len(found) > MOST_NAMES:
        raise ConfigError(f"{len(found)} {kind}s are too many", hint=f"at most {MOST_NAMES}")
    return found


def is_name(name: str) -> bool:
    """Tell whether a text can be a role, a group or a tenant."""
    return (
        0 < len(name) <= 100
        and name.isprintable()
        and not any(character.isspace() or character == "," for character in name)
    )
