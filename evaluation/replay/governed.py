"""What the home of governed agents tells: the agents, their tools and policies, what took effect.

Such a home has no runs and no plans: a call is decided by itself, and its arguments stand in what
its decision rested on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from concertmaster.errors import ConfigError, HomeError
from concertmaster.evaluation.replay.recorded import Recorded
from concertmaster.graphs.langchain.journal import key_of, took_effect
from concertmaster.graphs.langchain.setups import Setup, setups

__all__ = ["effects", "find_setup"]

_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'governed_setups'"


def effects(
    connection: sqlite3.Connection, decisions: Iterable[Recorded]
) -> frozenset[tuple[str, int, str]]:
    """Return run, position and digest of the calls that took effect."""
    keys = {key_of(d.run, d.call): (d.run, d.position, d.call) for d in decisions if d.call}
    return frozenset(keys[key] for key in took_effect(connection, keys))


def find_setup(connection: sqlite3.Connection, agent: str | None = None) -> Setup:
    """Return with which tools and policies an agent's governance was opened last.

    Args:
        connection: of the agent's home.
        agent: the name of its governance; None for the only one there is.

    Raises:
        ConfigError: there are several, or none of that name.
        HomeError: the home was last opened by a release that kept nothing for this.
        StorageError: what is stored cannot be read.
    """
    found = setups(connection) if connection.execute(_TABLE).fetchone() else {}
    if not found:
        raise HomeError(
            "nothing in this home tells of which agent it is",
            hint="open the agent's governance on it once, with this release",
        )
    listed = ", ".join(sorted(found))
    if agent is None and len(found) > 1:
        raise ConfigError(f"the home is of several agents: {listed}", hint="--agent NAME")
    name = agent if agent is not None else next(iter(found))
    if name not in found:
        raise ConfigError(f"the home is of no agent {name[:80]!r}", hint=f"it is of {listed}")
    return found[name]
