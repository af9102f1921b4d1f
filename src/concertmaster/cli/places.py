"""Which home belongs to which workspace."""

from __future__ import annotations

import json
from pathlib import Path

from concertmaster.errors import HomeError, WorkspaceError
from concertmaster.orchestrator.home import DATABASE, base_dir, homes

__all__ = ["chosen_homes", "home_of", "workspace_at", "workspace_of"]


def workspace_of(home: Path) -> Path | None:
    """Return the folder of the workspace that a home was made for, if it is noted."""
    try:
        noted = json.loads((home / "workspace.json").read_text("utf-8"))
        return Path(noted["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def workspace_at(home: Path) -> Path:
    """Return the folder of the workspace that a home was made for.

    Raises:
        WorkspaceError: it is not noted, or no longer there.
    """
    folder = workspace_of(home)
    if folder is None or not folder.is_dir():
        raise WorkspaceError(
            f"the workspace of {home} is no longer where it was: {folder or 'not noted'}",
            hint="name its folder with --workspace",
        )
    return folder


def home_of(workspace: Path) -> Path:
    """Return the home of a workspace: the one that notes its folder, else the one of its name.

    Raises:
        WorkspaceError: the folder holds no workflow.yaml that names a workflow.
    """
    folder = workspace.expanduser().resolve()
    for home in homes():
        noted = workspace_of(home)
        if noted is not None and noted.expanduser().resolve() == folder:
            return home
    return base_dir() / _workflow_name(folder)


def _workflow_name(folder: Path) -> str:
    import yaml

    try:
        name = yaml.safe_load((folder / "workflow.yaml").read_text("utf-8"))["workflow"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        name = None
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise WorkspaceError(
            f"{folder} is no workspace: it holds no workflow.yaml that names a workflow",
            hint="`concertmaster init DIR` starts one; --home names a home directory",
        )
    return name


def chosen_homes(home: Path | None, workspace: Path | None) -> list[Path]:
    """Return the homes that a command looks at: the named one, or all that there are.

    Raises:
        HomeError: the one that was named does not exist, or there is none at all.
        WorkspaceError: what was named as a workspace is none.
    """
    chosen = home.expanduser().resolve() if home else home_of(workspace) if workspace else None
    if chosen is not None:
        if not (chosen / DATABASE).is_file():
            raise HomeError(
                f"{chosen} is no home directory: it holds no {DATABASE}",
                hint='`concertmaster run WORKSPACE "…" --as WHO` makes it',
            )
        return [chosen]
    found = list(homes())
    if not found:
        raise HomeError(
            f"there is no home directory under {base_dir()} yet",
            hint='`concertmaster run WORKSPACE "…" --as WHO` makes one;'
            " --home names one that lies elsewhere",
        )
    return found
