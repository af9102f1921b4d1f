"""DBOS on SQLite, in its own environment: a workflow of six steps and one step with the effect.

    python -m durable.dbos_sqlite FOLDER [--journal wal] [--synchronous normal]

Without options the connections are as DBOS makes them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID
from dbos._dbos import _get_dbos_instance

from durable.serving import serve
from durable.work import AFTER, BEFORE, book, step


@DBOS.step()
def one(name: str, key: str) -> dict[str, Any]:
    """Do one of the six steps."""
    return step(name, _folder(), key)


@DBOS.step()
def effect(key: str) -> dict[str, Any]:
    """Bring the effect about."""
    return book(_folder(), key)


@DBOS.workflow()
def workflow(key: str) -> str:
    """Do the work in order."""
    for name in BEFORE:
        one(name, key)
    effect(key)
    for name in AFTER:
        one(name, key)
    return f"booked {key}"


class Dbos:
    """DBOS, launched on a database in the folder."""

    def __init__(self, folder: Path, journal: str | None, synchronous: str | None) -> None:
        os.environ["DURABLE_FOLDER"] = str(folder)

        @sa.event.listens_for(sa.engine.Engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            if journal:
                connection.execute(f"PRAGMA journal_mode={journal}")
            if synchronous:
                connection.execute(f"PRAGMA synchronous={synchronous}")

        self.version = importlib.metadata.version("dbos")
        url = f"sqlite:///{folder / 'dbos.sqlite'}"
        DBOS(config={"name": "durable", "system_database_url": url, "log_level": "ERROR"})
        DBOS.launch()

    def run(self, name: str) -> None:
        """Run the workflow in this thread, which is the shortest way."""
        with SetWorkflowID(name):
            answer = workflow(name)
        if answer != f"booked {name}":
            raise SystemExit(f"the workflow ended with {answer!r}")

    def pragmas(self) -> list[tuple[str, int]]:
        """Ask a connection of its kind."""
        engine = _get_dbos_instance()._sys_db.engine
        with engine.connect() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
            level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        return [(mode, level)]

    def recover(self) -> list[str]:
        """Wait for what `launch` took up."""
        for found in DBOS.list_workflows():
            DBOS.retrieve_workflow(found.workflow_id).get_result()
        return [found.status for found in DBOS.list_workflows()]

    def close(self) -> None:
        """Let go of the database."""
        DBOS.destroy()


def _folder() -> Path:
    return Path(os.environ["DURABLE_FOLDER"])


def main() -> None:
    """Serve the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--journal")
    parser.add_argument("--synchronous")
    options = parser.parse_args()
    serve(lambda: Dbos(options.folder, options.journal, options.synchronous))


if __name__ == "__main__":
    main()
