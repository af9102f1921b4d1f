"""Which systems are measured, and how each one's process is started and asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import installed

from durable.counting import Count

__all__ = ["SYSTEMS", "Ended", "Process", "Variant"]

DBOS = ("dbos==3.4.0", "sqlalchemy==2.1.9")
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Variant:
    """A system with its settings; `peer` needs an environment of its own."""

    name: str
    module: str
    options: tuple[str, ...] = ()
    peer: bool = False


_NORMAL = ("--synchronous", "normal")
_WAL = ("--journal", "wal")

SYSTEMS = (
    Variant("concertmaster", "ours"),
    Variant("dbos", "dbos_sqlite", peer=True),
    Variant("dbos_wal", "dbos_sqlite", _WAL, peer=True),
    Variant("langgraph_sync", "langgraph_sqlite", ("--durability", "sync")),
    Variant("langgraph_async", "langgraph_sqlite", ("--durability", "async")),
    Variant("langgraph_exit", "langgraph_sqlite", ("--durability", "exit")),
    Variant("concertmaster_normal", "ours", _NORMAL),
    Variant("dbos_wal_normal", "dbos_sqlite", (*_WAL, *_NORMAL), peer=True),
    Variant("langgraph_sync_normal", "langgraph_sqlite", ("--durability", "sync", *_NORMAL)),
)
"""As each comes (DBOS also with a write-ahead log), then what a SIGKILL alone asks for."""


class Ended(Exception):
    """The process ended instead of answering."""


class Process:
    """A system's process, on a database in a folder of its own."""

    def __init__(
        self,
        variant: Variant,
        folder: Path,
        *,
        count: Count | None = None,
        kill: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.variant, self.folder = variant, folder
        python = installed("dbos", *DBOS) if variant.peer else Path(sys.executable)
        before = count.before if count else ()
        module = f"durable.{variant.module}"
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        environment |= count.environment if count else {}
        if kill is not None:
            environment |= {"DURABLE_LOG": "1", "DURABLE_KILL": kill}
        self._said = folder / "stderr.txt"
        with self._said.open("ab") as said:
            self._child = subprocess.Popen(
                [*before, python, "-W", "ignore", "-m", module, folder, *variant.options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                cwd=_ROOT,
                env=environment,
            )

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        """Return the answer to one question.

        Raises:
            Ended: there is none, since the process is gone.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps({"do": do, **given}) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise Ended(self._gone()) from None
        line = self._child.stdout.readline()
        if not line:
            raise Ended(self._gone())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """Have it close its database, and end it if it does not."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.close()
            self._child.wait(timeout=60)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._child.kill()
            self._child.wait()
        finally:
            if self._child.stdout is not None:
                self._child.stdout.close()

    def _gone(self) -> str:
        said = self._said.read_text(encoding="utf-8", errors="replace")[-2000:]
        return f"{self.variant.name} ended with status {self._child.wait()}\n{said}"
