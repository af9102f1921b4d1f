"""Under which policies, over which tools, the governances of a home decide now: a row each.

Calls of the past can so be decided again without the program whose tools they were.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import ToolShape
from concertmaster.errors import StorageError
from concertmaster.policies.bundle import Policy
from concertmaster.storage import Migration

__all__ = ["MIGRATIONS", "Setup", "keep", "setups"]

MIGRATIONS = (
    Migration(
        "governed.setups",
        1,
        """
        CREATE TABLE governed_setups (
            name TEXT PRIMARY KEY,
            policies TEXT NOT NULL,
            shapes TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
    ),
)
_FIELDS = ("id", "effect", "text", "reason")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The policies and the tools of one governance, as it was opened last."""

    name: str
    policies: Sequence[Policy]
    shapes: Mapping[str, ToolShape]

    def row(self) -> tuple[str, str, str]:
        """Return what is stored, the same for the same setup."""
        shapes = {name: shape.model_dump(mode="json") for name, shape in self.shapes.items()}
        return (
            self.name,
            json.dumps([_written(policy) for policy in self.policies]),
            json.dumps(shapes, sort_keys=True),
        )


def keep(connection: sqlite3.Connection, setup: Setup) -> None:
    """Put a setup in the place of the one that its governance had before."""
    connection.execute("INSERT OR REPLACE INTO governed_setups VALUES (?, ?, ?)", setup.row())


def setups(connection: sqlite3.Connection) -> dict[str, Setup]:
    """Return the setups of a home by the names of their governances.

    Raises:
        StorageError: a row holds what no governance writes.
    """
    found = {}
    for row in connection.execute("SELECT name, policies, shapes FROM governed_setups"):
        try:
            found[row["name"]] = Setup(
                name=row["name"],
                policies=tuple(_read(policy) for policy in json.loads(row["policies"])),
                shapes={
                    name: ToolShape.model_validate(shape)
                    for name, shape in json.loads(row["shapes"]).items()
                },
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise StorageError(
                f"what the agent {row['name'][:80]!r} was opened with cannot be read; it was"
                " changed from outside",
                hint="open the agent's governance once; it writes this anew",
            ) from None
    return found


def _written(policy: Policy) -> dict[str, Any]:
    actions = None if policy.actions is None else sorted(policy.actions)
    fields = {name: getattr(policy, name) for name in _FIELDS}
    return {**fields, "actions": actions, "obligations": list(policy.obligations)}


def _read(told: Mapping[str, Any]) -> Policy:
    actions = told["actions"]
    return Policy(
        **{name: told[name] for name in _FIELDS},
        actions=None if actions is None else frozenset(actions),
        obligations=tuple(told["obligations"]),
    )
