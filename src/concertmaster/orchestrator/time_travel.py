"""A checkpointer that refuses a state which is not there, instead of beginning with nothing.

LangGraph takes a checkpoint that it does not find for an empty thread. Somebody who names a state
that retention has removed, to look at it, to fork it or to resume it, is told so; nothing runs.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, get_checkpoint_id

from concertmaster.errors import UnknownCheckpoint
from concertmaster.orchestrator.looking import LookingSaver

__all__ = ["Saver"]


class Saver(LookingSaver):
    """LangGraph's checkpointer for SQLite, strict about the states that are asked for by id."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a state, or the newest one where none is named; None if the thread has none.

        Raises:
            UnknownCheckpoint: the state that is named is not there, or not any more.
        """
        found = await super().aget_tuple(config)
        named = get_checkpoint_id(config)
        if found is None and named:
            known: dict[str, Any] = config["configurable"]
            raise UnknownCheckpoint(
                f"thread {str(known['thread_id'])[:60]!r} has no state {str(named)[:40]!r}",
                hint="time travel reaches back as far as `retention.checkpoints` and"
                " `limits.checkpoints` keep states; `get_state_history` lists them",
            )
        return found
