"""Who acts: taken from the host's ticket or the server's authenticated user, never from state.

The host puts an unguessable ticket into the run's context and keeps, outside of the graph, what
it stands for. A graph that is run without one (under another server, or by hand) acts for the
server's authenticated user, or for nobody.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from concertmaster.agents.task import Session
from concertmaster.contracts import ANONYMOUS, Principal

__all__ = ["Context", "Sessions"]


class Context(TypedDict, total=False):
    """The run's context: plain JSON, worthless without the host that issued the ticket."""

    ticket: str


class Sessions:
    """The tickets that are valid now, in this process."""

    def __init__(self, resolve: Callable[[str], Principal | None] | None = None) -> None:
        self._resolve = resolve
        self._open: dict[str, Session] = {}

    @contextmanager
    def ticket(self, session: Session) -> Iterator[Context]:
        """Issue a ticket for the time of one segment."""
        token = secrets.token_hex(16)
        self._open[token] = session
        try:
            yield {"ticket": token}
        finally:
            del self._open[token]

    def of(self, runtime: Runtime[Context], thread: str) -> Session:
        """Return the session behind a runtime; without a ticket its run id is empty."""
        context: Any = runtime.context or {}
        token = context.get("ticket") if isinstance(context, dict) else None
        session = self._open.get(token) if isinstance(token, str) else None
        if session is not None and session.thread == thread:
            return session
        return Session(principal=self.user_of(runtime), run="", thread=thread)

    def user_of(self, runtime: Runtime[Context]) -> Principal:
        """Return the server's authenticated user with the roles of now, or nobody."""
        user = runtime.server_info.user if runtime.server_info else None
        if user is None or not getattr(user, "is_authenticated", False):
            return ANONYMOUS
        known = self._resolve(user.identity) if self._resolve else None
        return known or Principal(id=user.identity)
