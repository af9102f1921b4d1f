"""Whose calls are decided again: a workspace's, or those of an agent that is governed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from concertmaster.contracts import ToolShape
from concertmaster.errors import ConfigError, HomeError, PolicyError
from concertmaster.policies.engine import PolicyEngine

__all__ = ["Past", "past_of"]


@dataclass(frozen=True, kw_only=True)
class Past:
    """A home, and what is decided about in it today.

    `name` is of the workspace or the agent, whose stream of the trail it is. `own` are the
    policies that it has, None if they are not sound, for the reason `unsound`.
    """

    home: Path
    database: Path
    name: str
    shapes: Mapping[str, ToolShape]
    own: PolicyEngine | None
    unsound: str | None = None


def past_of(workspace: Path | None, home: Path | None, agent: str | None) -> Past:
    """Return the past of a workspace or, without one, of the agent whose home it is.

    Raises:
        ConfigError: both are named, or neither, or the home is of several agents.
        HomeError, StorageError, WorkspaceError: what is named cannot be read.
    """
    if workspace is not None:
        if agent is not None:
            raise ConfigError(
                "--agent is for the home of governed agents, which has no workspace",
                hint="leave WORKSPACE out, or --agent",
            )
        return _of_workspace(workspace, home)
    if home is None:
        raise ConfigError(
            "whose calls are to be decided again?",
            hint="name a WORKSPACE, or with --home the home of a governed agent",
        )
    return _of_agent(home.expanduser().resolve(), agent)


def _of_workspace(workspace: Path, home: Path | None) -> Past:
    from concertmaster.cli.places import chosen_homes
    from concertmaster.graphs.workspace import Workspace
    from concertmaster.orchestrator.home import DATABASE

    place = chosen_homes(home, workspace)[0]
    read = Workspace.load(workspace)
    shapes = read.toolbox.shapes()
    own, unsound = None, None
    try:
        own = PolicyEngine.load(read.policies, shapes)
    except PolicyError as error:
        unsound = error.message.splitlines()[0]
    return Past(
        home=place,
        database=place / DATABASE,
        name=read.name,
        shapes=shapes,
        own=own,
        unsound=unsound,
    )


def _of_agent(home: Path, agent: str | None) -> Past:
    from concertmaster.evaluation.replay import find_setup
    from concertmaster.graphs.langchain.stores import FILE
    from concertmaster.storage import Database

    if not (home / FILE).is_file():
        raise HomeError(
            f"{home} is no home of a governed agent: it holds no {FILE}",
            hint="name the workspace for a workspace's home; an agent's governance makes its own",
        )
    database = Database.open(home / FILE, read_only=True)
    try:
        setup = asyncio.run(database.read(partial(find_setup, agent=agent)))
    finally:
        database.close()
    return Past(
        home=home,
        database=home / FILE,
        name=setup.name,
        shapes=setup.shapes,
        own=PolicyEngine(setup.policies, setup.shapes),
    )
