"""The loop behind `concertmaster chat`: read a line, answer it, keep the thread."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from concertmaster.cli.answers import run_json, show_pending, show_run
from concertmaster.cli.console import complain, note, put, safe
from concertmaster.cli.desks import Told, custom_home, opened_desk, people_of, tell
from concertmaster.cli.failures import exit_code
from concertmaster.cli.votes import parse_vote
from concertmaster.contracts import FINAL, new_id
from concertmaster.errors import ConcertmasterError, ConfigError

if TYPE_CHECKING:
    from concertmaster.orchestrator.desk import Desk
    from concertmaster.orchestrator.run import Run

__all__ = ["Conversation"]

_HELP = """\
/thread [ID]                        say which thread this is, or go on with another
/new                                begin a new thread
/pending                            what waits for a person
/approve ID --as WHO [REASON]       let a call run
/edit ID --as WHO NAME=VALUE …      let it run with other arguments
/reject ID --as WHO [REASON]        do not run it
/respond ID --as WHO TEXT           do not run it, go on with this text
/quit                               leave (or Ctrl-D)"""


class Conversation:
    """One person, one thread at a time. Every turn runs to its end, its cancellation or its error.

    A turn is one call of the runner, so that Ctrl-C cancels that turn alone; between turns the
    event loop stands still.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        who: str,
        thread: str | None,
        quiet: bool,
        as_json: bool,
        **opening: Any,
    ) -> None:
        self._who = who
        self._thread = thread or new_id("thread")
        self._quiet = quiet
        self._json = as_json
        self._typed = sys.stdin.isatty()
        self._waiting: list[str] = []
        self._runner = asyncio.Runner()
        self._opening: AbstractAsyncContextManager[Desk] = opened_desk(workspace, **opening)
        self._open: Desk | None = None

    def __enter__(self) -> Self:
        self._runner.__enter__()
        try:
            self._open = self._runner.run(self._enter())
        except BaseException:
            self._runner.close()
            raise
        return self

    async def _enter(self) -> Desk:
        desk = await self._opening.__aenter__()
        try:
            desk.people.admit(self._who)
        except BaseException:
            await self._opening.__aexit__(*sys.exc_info())
            raise
        return desk

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async def leave() -> None:
            await self._opening.__aexit__(None, None, None)

        try:
            self._runner.run(leave())
        finally:
            self._runner.close()

    @property
    def _desk(self) -> Desk:
        assert self._open is not None
        return self._open

    def hold(self) -> int:
        """Answer line by line until there are no more; return the exit code.

        It is 0, or for lines that were piped in the code of the last error among them.
        """
        if self._typed:
            note(f"{self._desk.name}, thread {self._thread}. /help lists commands, Ctrl-D leaves.")
        code = 0
        for line in self._lines():
            if line in ("/quit", "/exit"):
                break
            told = Told()
            try:
                self._runner.run(self._turn(line, told))
            except KeyboardInterrupt:
                if not self._typed:
                    raise
                note(told.interrupted())
            except ConcertmasterError as error:
                complain(error.message, code=error.code, hint=error.hint)
                code = exit_code(error)
        return 0 if self._typed else code

    def _lines(self) -> Iterator[str]:
        reconfigure = getattr(sys.stdin, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
        if not self._typed:
            yield from (line for raw in sys.stdin if (line := raw.strip()))
            return
        while True:
            try:
                line = _typed(f"\n{safe(self._who)}> ").strip()
            except KeyboardInterrupt:
                note("\nCtrl-D or /quit leaves")
                continue
            except EOFError:
                note("")
                return
            if line:
                yield line

    async def _turn(self, line: str, told: Told) -> None:
        if line.startswith("/"):
            await self._command(line)
        else:
            run, ms = await tell(
                self._desk, line, self._who, self._thread, quiet=self._quiet, told=told
            )
            self._show(run, ms)
        await self._news()

    def _show(self, run: Run, ms: float | None = None) -> None:
        if run.status not in FINAL and run.id not in self._waiting:
            self._waiting.append(run.id)
        if self._json:
            sys.stdout.write(json.dumps(run_json(run, ms), ensure_ascii=True) + "\n")
            sys.stdout.flush()
        else:
            show_run(run, home=custom_home(self._desk), people=people_of(self._desk), ms=ms)

    async def _news(self) -> None:
        """Tell what became of the runs that waited: decided here, or by another process."""
        for id_ in list(self._waiting):
            run = await self._desk.get(id_)
            if run.status in FINAL:
                self._waiting.remove(id_)
                self._show(run)

    async def _command(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        handlers: dict[str, Callable[[str], Awaitable[None]]] = {
            "/help": self._help,
            "/thread": self._switch,
            "/new": self._new,
            "/pending": self._pending,
        }
        if name in handlers:
            await handlers[name](rest.strip())
        elif name in ("/approve", "/edit", "/reject", "/respond"):
            await self._decide(name[1:], rest)
        else:
            raise ConfigError(f"{name} is no command", hint="/help lists what there is")

    async def _help(self, _: str) -> None:
        note(_HELP, "")

    async def _switch(self, rest: str) -> None:
        if rest:
            self._thread = rest
        note(f"thread {self._thread}")

    async def _new(self, _: str) -> None:
        await self._switch(new_id("thread"))

    async def _pending(self, _: str) -> None:
        waiting = await self._desk.approvals()
        for approval in waiting:
            show_pending(approval, home=custom_home(self._desk), people=people_of(self._desk))
        if not waiting:
            note("nothing waits for a person")

    async def _decide(self, verb: str, rest: str) -> None:
        try:
            words = shlex.split(rest)
        except ValueError as error:
            raise ConfigError(f"/{verb}: {error}", hint="close the quotation marks") from None
        id_, reviewer, said = _split(verb, words)
        approval = await self._desk.services.approvals.get(id_)
        run = await self._desk.decide(id_, parse_vote(verb, said, approval), principal=reviewer)
        put(f"{id_}: {verb} by {reviewer}") if not self._json else None
        if run.status in FINAL and run.id in self._waiting:
            self._waiting.remove(run.id)
        self._show(run)


def _typed(prompt: str) -> str:
    """Return a line that was typed; the prompt never goes into a file that takes the answers."""
    if sys.stdout.isatty():
        import readline  # noqa: F401  (line editing and history for input())

        return input(prompt)
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _split(verb: str, words: list[str]) -> tuple[str, str, list[str]]:
    """Return the approval's id, who decides, and what else was said."""
    said, reviewer = [], None
    rest = iter(words)
    for word in rest:
        if word == "--as":
            reviewer = next(rest, None)
        elif word.startswith("--as="):
            reviewer = word.removeprefix("--as=")
        else:
            said.append(word)
    if not said or not reviewer:
        raise ConfigError(f"/{verb} needs an approval and who decides it", hint="/help shows how")
    return said[0], reviewer, said[1:]
