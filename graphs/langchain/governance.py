"""One gate for an existing agent: policies, declared tools, reviews and a journal together."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from concertmaster.contracts import Answer, Approval, AuditEvent, Principal
from concertmaster.errors import ToolError
from concertmaster.graphs.langchain import forgetting
from concertmaster.graphs.langchain.acting import Resolver, acting_of
from concertmaster.graphs.langchain.asking import Attempts
from concertmaster.graphs.langchain.background import Background
from concertmaster.graphs.langchain.clearing import Clearing
from concertmaster.graphs.langchain.describing import argument_names, toolbox_of
from concertmaster.graphs.langchain.driving import Driver
from concertmaster.graphs.langchain.flushing import Flushing
from concertmaster.graphs.langchain.passage import passage
from concertmaster.graphs.langchain.passing import Passing, Refused
from concertmaster.graphs.langchain.proposed import Proposed, messages_of
from concertmaster.graphs.langchain.reading import Reader, Words
from concertmaster.graphs.langchain.results import refusal
from concertmaster.graphs.langchain.setups import Setup
from concertmaster.graphs.langchain.stores import Stores, open_stores
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Gate
from concertmaster.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from langgraph.prebuilt.tool_node import ToolCallRequest

__all__ = ["Governance"]


class Governance:
    """The gate that an agent's calls pass, with everything that it has to remember.

    Keep one for as long as the program lives; it may be shared by agents, threads and event
    loops. What no policy permits is denied.

    >>> from concertmaster.tools import declare
    >>> @declare(effect="read")
    ... def look_up(order_id: int) -> str:
    ...     "Look an order up."
    ...     return "on its way"
    >>> with Governance.load(None, tools=[look_up]) as governance:
    ...     governance.toolbox.names
    ('look_up',)
    """

    def __init__(
        self,
        gate: Gate,
        toolbox: Toolbox,
        stores: Stores,
        *,
        words: Words | None = None,
        resolve: Resolver | None = None,
    ) -> None:
        """Take the parts as they are; `load` puts them together."""
        self.gate = gate
        self.toolbox = toolbox
        self.attempts = Attempts()
        self._reader = Reader(toolbox, words)
        self.background = Background()
        self.driver = Driver(self.background, stores)
        flushing = Flushing(stores.trail, self.background)
        self.clearing = Clearing(gate, toolbox, self._reader, stores, flushing)
        self._stores = stores
        self._resolve = resolve
        self._arguments = {name: frozenset(t.schema()["properties"]) for name, t in toolbox.items()}
        self._seen: dict[int, tuple[BaseTool, bool]] = {}
        self._end = weakref.finalize(self, _end, self.background, stores)
        # When the process ends, threads can no longer be asked to close anything, nor need they.
        self._end.atexit = False
        if not stores.durable:
            weakref.finalize(self, shutil.rmtree, stores.data_dir, ignore_errors=True)

    @classmethod
    def load(
        cls,
        policies: str | Path | None,
        *,
        tools: Iterable[Any],
        home: str | Path | None = None,
        name: str = "agent",
        words: Words | None = None,
        resolve: Resolver | None = None,
    ) -> Self:
        """Read and check policies against the tools, and open the stores.

        Args:
            policies: a folder of `*.cedar` files; None denies everything.
            tools: what the agent may call: declared tools, LangChain tools, functions. One that
                is not declared is irreversible, untrusted and restricted.
            home: a directory for the journal, the approvals, the trail and what decisions rested
                on, arguments included. Without one they are kept in memory, and a call that waits
                for people is asked about anew after a restart.
            name: what policies see as `context.workspace`, and whose trail it is.
            words: gives what the principal said; without it, messages of the graph's state count
                as their words, which whoever writes that state can make up.
            resolve: gives the roles of the user whom LangGraph's server authenticated.

        Raises:
            PolicyError: a policy has problems; the message lists all of them.
            ConfigError, WorkspaceError: the tools cannot be used as they are.
            HomeError, StorageError: the home cannot be used.
        """
        toolbox = toolbox_of(tools)
        shapes = toolbox.shapes()
        engine = PolicyEngine.load(None if policies is None else Path(policies), shapes)
        setup = Setup(name=name, policies=engine.policies, shapes=shapes)
        stores = open_stores(None if home is None else Path(home), setup)
        return cls(Gate(engine, shapes, name), toolbox, stores, words=words, resolve=resolve)

    def wrap_tool_call(
        self, request: ToolCallRequest, execute: Callable[[ToolCallRequest], Any]
    ) -> Any:
        """Let one call pass or refuse it: for `ToolNode(tools, wrap_tool_call=…)`."""
        if self._decides(request.tool):
            return execute(request)
        proposed = self.proposed(request)
        if not _runs_tools(execute):
            return refusal(proposed, (_NOT_LAST,))

        def run(passing: Passing) -> Any:
            return execute(_exactly(request, passing))

        return self.driver.drive(passage(self, proposed), run)

    async def awrap_tool_call(
        self, request: ToolCallRequest, execute: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Let one call pass or refuse it: for `ToolNode(tools, awrap_tool_call=…)`."""
        if self._decides(request.tool):
            return await execute(request)
        proposed = self.proposed(request)
        if not _runs_tools(execute):
            return refusal(proposed, (_NOT_LAST,))

        async def run(passing: Passing) -> Any:
            return await execute(_exactly(request, passing))

        return await self.driver.drive_async(passage(self, proposed), run)

    def _decides(self, tool: Any) -> bool:
        """Tell whether a tool puts its calls to this governance itself, as `governed` makes it."""
        return getattr(tool, "governance", None) is self

    def proposed(self, request: ToolCallRequest) -> Proposed:
        """Return the call of a `ToolNode`'s request."""
        call, runtime = request.tool_call, request.runtime
        info = getattr(runtime, "execution_info", None)
        server = getattr(runtime, "server_info", None)
        return Proposed(
            name=call["name"],
            arguments=call["args"],
            call_id=call["id"],
            tool=request.tool,
            acting=acting_of(getattr(runtime, "context", None), server, self._resolve),
            messages=messages_of(request.state),
            thread=info.thread_id if info else None,
            task=info.task_id if info else None,
        )

    def fitted(self, call: Proposed) -> Passing | Refused:
        """Return a call in the form in which it would run, or why it cannot be one."""
        name = str(call.name)
        if call.tool is None or call.tool.name != call.name:
            return Refused((f"there is no tool {name[:80]!r}",))
        tool = self.toolbox.get(name)
        if tool is None:
            return Refused((f"the policies know no tool {name[:80]!r}",))
        if not self._same(call.tool):
            return Refused((f"{name} is not the tool that was declared: other arguments",))
        if not call.call_id:
            return Refused(("the call has no id",))
        if call.answered:
            return Refused(("this call was answered before; propose it anew",))
        try:
            arguments = tool.validate(call.arguments)
        except ToolError as error:
            return Refused((error.message,))
        try:
            reading = self._reader.read(call)
        except Exception as error:
            # The program's own `words` among them; without the sources nothing can be decided.
            return Refused((f"what was said could not be read ({type(error).__name__})",))
        return Passing(proposed=call, tool=tool, arguments=arguments, reading=reading)

    def _same(self, running: BaseTool) -> bool:
        """Tell whether a tool takes the arguments that were declared under its name."""
        seen, same = self._seen.get(id(running), (None, False))
        if seen is not running:
            same = argument_names(running) == self._arguments[running.name]
            if len(self._seen) > 1024:
                self._seen.clear()
            self._seen[id(running)] = (running, same)
        return same

    def pending(self, thread: str | None = None) -> list[Approval]:
        """Return the approvals that wait for people, the oldest first."""
        work = self._stores.approvals.list(status="pending", thread=thread)
        return self.background.wait(work)

    def decide(self, approval: str, answer: Answer, by: Principal) -> Approval:
        """Give an authenticated person's answer; resume the graph afterwards, with any value.

        Raises:
            ApprovalError: there is no such approval, it was decided before, or not by this person.
        """
        return self.background.wait(self._stores.approvals.decide(approval, answer, by))

    def events(self, thread: str | None = None) -> list[AuditEvent]:
        """Return what the trail holds of a thread, in order."""
        return self.background.wait(self._events(thread))

    async def _events(self, thread: str | None) -> list[AuditEvent]:
        await self._stores.trail.flush()
        return await self._stores.trail.events(thread=thread)

    def forget(self, thread: str, *, by: Principal, why: str) -> int:
        """Erase what is kept of a thread; return how many events of the trail lost their content.

        The trail still verifies, and a call that took effect is still not made again. The
        program has to see that `by` may do this, that nothing runs on the thread meanwhile, and
        to erase what the graph's own checkpointer holds.

        Raises:
            RequestError: the reason is missing, or names the thread or its people; it is kept.
        """
        work = forgetting.forget(self._stores.trail, thread, by=by.id, why=why)
        return self.background.wait(work)

    def prune(self, older_than: timedelta) -> tuple[str, ...]:
        """Forget the threads on which nothing happened for so long; return their ids.

        A thread stays while an approval waits on it, or while it is not known whether a call took
        effect.
        """
        return self.background.wait(forgetting.prune(self._stores.trail, older_than))

    def close(self) -> None:
        """Close the stores; calls that come later are refused with an error."""
        if self._end.alive:
            self.background.wait(self._stores.trail.flush())
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_NOT_LAST = (
    "the program lists another middleware after GovernanceMiddleware, which could change the call;"
    " GovernanceMiddleware has to be the last one that wraps tool calls"
)


def _runs_tools(execute: Any) -> bool:
    """Tell whether nothing stands between the gate and the node that runs the tools."""
    from langgraph.prebuilt import ToolNode

    return getattr(execute, "__module__", None) == ToolNode.__module__


def _exactly(request: ToolCallRequest, passing: Passing) -> ToolCallRequest:
    """Return the request with the arguments that were decided about."""
    return request.override(tool_call={**request.tool_call, "args": dict(passing.arguments)})


def _end(background: Background, stores: Stores) -> None:
    background.stop()
    stores.database.close()
