"""`concertmaster version`: which release this is, and of what it stands on."""

from __future__ import annotations

from concertmaster.cli.options import Json

__all__ = ["version"]

EXAMPLE = "Example: concertmaster version --json"

_PARTS = ("langgraph", "langchain-core", "chromadb", "cedarpy", "pydantic")


def version(as_json: Json = False) -> None:
    """Print the versions of Concertmaster and of what it stands on."""
    import platform
    import sqlite3
    from importlib.metadata import version as installed

    from concertmaster import __version__
    from concertmaster.cli.console import print_json, put

    found = {
        "concertmaster": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: installed(name) for name in _PARTS},
    }
    if as_json:
        print_json(found)
    else:
        put("\n".join(f"{name} {number}" for name, number in found.items()))
