"""Concertmaster: a workspace of six custom steps and one consequential tool call, the whole desk.

    python -m durable.ours FOLDER [--synchronous normal]

Gate, plan, effect ledger and audit trail are on. Without `--synchronous` the connections are as
the desk makes them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
from pathlib import Path

import concertmaster as cm
from concertmaster.contracts import FINAL
from durable.serving import serve

WORKSPACE = Path(__file__).with_name("workspace")


class Ours:
    """An opened desk and the loop in which it works."""

    def __init__(self, folder: Path, synchronous: str | None) -> None:
        os.environ["DURABLE_FOLDER"] = str(folder)
        self.version = importlib.metadata.version("concertmaster")
        self._runner = asyncio.Runner()
        self._opened = cm.open(WORKSPACE, home=folder / "home", recover=False)
        self.desk = self._runner.run(self._opened.__aenter__())
        if synchronous:
            self._runner.run(self._ask(f"PRAGMA synchronous={synchronous}"))

    def run(self, name: str) -> None:
        """Send one message on a thread of its own."""
        run = self._runner.run(self.desk.run(f"book {name}", principal="ana", thread=name))
        if run.status != "answered":
            raise SystemExit(f"the run ended as {run.status}: {run.outcome.cause}")

    def pragmas(self) -> list[tuple[str, int]]:
        """Ask the stores' connection, on whose commits the promises rest.

        The checkpointer's own does not wait (`normal`): it writes to the same log, and the run's
        status, which follows each checkpoint, takes it along. Lost before that, it is made again.
        """
        modes = self._runner.run(self._ask("PRAGMA journal_mode"))
        levels = self._runner.run(self._ask("PRAGMA synchronous"))
        return [(str(modes[0]), int(str(levels[0])))]

    def recover(self) -> list[str]:
        """Have the desk take up what was left, as opening it does."""
        return self._runner.run(self._recovered())

    def close(self) -> None:
        """Close the desk."""
        self._runner.run(self._opened.__aexit__(None, None, None))
        self._runner.close()

    async def _recovered(self) -> list[str]:
        await self.desk.recover()
        records = await self.desk.runs.with_status(*FINAL, "awaiting_review", "queued", "running")
        return [record.status for record in records]

    async def _ask(self, sql: str) -> list[object]:
        rows = [await self.desk.database.read(lambda c: c.execute(sql).fetchone())]
        cursor = await self.desk.graph.checkpointer.conn.execute(sql)
        rows.append(await cursor.fetchone())
        await cursor.close()
        return [row[0] if row else None for row in rows]


def main() -> None:
    """Serve the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--synchronous")
    options = parser.parse_args()
    serve(lambda: Ours(options.folder, options.synchronous))


if __name__ == "__main__":
    main()
