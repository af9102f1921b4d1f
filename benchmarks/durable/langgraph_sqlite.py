"""LangGraph with its SqliteSaver: six nodes and one node with the effect, in a line.

    python -m durable.langgraph_sqlite FOLDER --durability sync|async|exit [--synchronous normal]

The checkpointer is used as its documentation has it; without `--synchronous` its connection is as
Python's `sqlite3` makes it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import operator
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from durable.serving import serve
from durable.work import AFTER, BEFORE, EFFECT, book, step


class State(TypedDict):
    """What the nodes found out."""

    key: str
    data: Annotated[dict[str, Any], operator.or_]


class Graph:
    """The compiled graph with its checkpointer."""

    def __init__(self, folder: Path, durability: Any, synchronous: str | None) -> None:
        self.version = importlib.metadata.version("langgraph-checkpoint-sqlite")
        path = folder / "checkpoints.sqlite"
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._saver = SqliteSaver(self._connection)
        self._saver.setup()
        if synchronous:
            self._connection.execute(f"PRAGMA synchronous={synchronous}")
        self._durability = durability
        self._graph = _line(folder).compile(checkpointer=self._saver)

    def run(self, name: str) -> None:
        """Run the graph on a thread of its own."""
        self._invoke({"key": name, "data": {}}, name)

    def _invoke(self, given: Any, thread: str) -> None:
        config = {"configurable": {"thread_id": thread}}
        answer = self._graph.invoke(given, config, durability=self._durability)
        if AFTER[-1] not in answer["data"]:
            raise SystemExit(f"the graph ended with {sorted(answer['data'])}")

    def pragmas(self) -> list[tuple[str, int]]:
        """Ask the checkpointer's connection."""
        mode = self._connection.execute("PRAGMA journal_mode").fetchone()[0]
        return [(mode, self._connection.execute("PRAGMA synchronous").fetchone()[0])]

    def recover(self) -> list[str]:
        """Go on with every thread that has steps left; the host has to do that by itself."""
        stored = {c.config["configurable"]["thread_id"] for c in self._saver.list(None)}
        return [self._taken_up(thread) for thread in sorted(stored)]

    def _taken_up(self, thread: str) -> str:
        config = {"configurable": {"thread_id": thread}}
        if self._graph.get_state(config).next:
            self._invoke(None, thread)
        done = self._graph.get_state(config).values.get("data", {})
        # A thread may be there without what it was asked to do: nothing can go on then.
        return "finished" if AFTER[-1] in done else "lost"

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def _line(folder: Path) -> StateGraph[State]:
    graph = StateGraph(State)
    nodes: list[tuple[str, Callable[[str], dict[str, Any]]]] = [
        *((name, partial(step, name, folder)) for name in BEFORE),
        (EFFECT, partial(book, folder)),
        *((name, partial(step, name, folder)) for name in AFTER),
    ]
    before = START
    for name, work in nodes:
        graph.add_node(name, _node(work))
        graph.add_edge(before, name)
        before = name
    graph.add_edge(before, END)
    return graph


def _node(work: Callable[[str], dict[str, Any]]) -> Any:
    def node(state: State) -> dict[str, Any]:
        return {"data": work(state["key"])}

    return node


def main() -> None:
    """Serve the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--durability", required=True)
    parser.add_argument("--synchronous")
    options = parser.parse_args()
    serve(lambda: Graph(options.folder, options.durability, options.synchronous))


if __name__ == "__main__":
    main()
