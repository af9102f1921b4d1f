"""How a conversation looks while it is played, and what is told of all of them at the end."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from concertmaster.cli.answers import call_text, sources, step_line
from concertmaster.cli.console import out, put, safe, styled
from concertmaster.cli.scenes import Played, ReviewerSpec, SaidSpec, SceneSpec
from concertmaster.cli.timeline import STATUS_STYLES, badge
from concertmaster.contracts import Status

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from concertmaster.contracts import Principal
    from concertmaster.orchestrator.desk import Desk
    from concertmaster.orchestrator.run import Run

__all__ = ["Stage", "how_to_go_on", "summary"]


_TOLD = {
    "effect.done": "done",
    "effect.failed": "failed",
    "effect.in_doubt": "in doubt",
    "tool.refused": "denied",
}


class Stage:
    """Plays conversations on an open desk and prints them unless it is silent.

    Args:
        desk: where they are played.
        silent: print nothing.
        pause: seconds after each step, so that a person can follow.
    """

    def __init__(self, desk: Desk, *, silent: bool, pause: float) -> None:
        self._desk = desk
        self._silent = silent
        self._pause = pause
        self._slept = 0.0

    async def play(self, scene: SceneSpec, number: int, of: int) -> Played:
        """Play one conversation, reviewers included, and return what came of it."""
        played = Played(scene)
        for said in scene.messages:
            title = f"{number}/{of} {scene.title}" if said is scene.messages[0] else ""
            self._panel(scene.principal, said, title)
            begun = perf_counter()
            run = await self._say(scene, said)
            played.ms += self._since(begun)
            played.expected.append(said.expect)
            self._note(played, said.expect, run)
            if said.reviewer is not None:
                played.expected.append(said.reviewer.expect)
                begun = perf_counter()
                run = await self._decide(run, said.reviewer)
                played.ms += self._since(begun)
                self._note(played, said.reviewer.expect, run)
            self._count(played, said, run)
            await asyncio.sleep(self._pause * 8)
        return played

    def _since(self, begun: float) -> float:
        """Return the milliseconds since a moment, pauses for reading left out."""
        slept, self._slept = self._slept, 0.0
        return (perf_counter() - begun - slept) * 1000

    def _show(self, what: RenderableType, indent: int = 0) -> None:
        from rich.padding import Padding

        if not self._silent:
            put(Padding(what, (0, 0, 0, indent)) if indent else what)

    def _panel(self, who: str, said: SaidSpec, title: str) -> None:
        from rich.panel import Panel

        name = next((p.name for p in self._people() if p.id == who and p.name), who)
        headline = styled(title, "bold")
        headline.truncate(out().width - 6, overflow="ellipsis")
        panel = Panel(
            styled(said.text),
            title=headline if title else None,
            title_align="left",
            subtitle=styled(f"{who} ({name})" if name != who else who, "dim"),
            subtitle_align="right",
            border_style="cyan",
        )
        self._show("")
        self._show(panel)

    async def _say(self, scene: SceneSpec, said: SaidSpec) -> Run:
        run = ""
        async for event in self._desk.stream(
            said.text, principal=scene.principal, thread=f"demo-{scene.id}"
        ):
            run = event.run
            if event.kind != "approval_requested":
                await self._step(step_line(event))
        return await self._desk.get(run)

    async def _step(self, line: Text | None) -> None:
        if line is not None:
            line.truncate(out().width, overflow="ellipsis")
            self._show(line)
            begun = perf_counter()
            await asyncio.sleep(self._pause)
            self._slept += perf_counter() - begun

    async def _decide(self, run: Run, reviewer: ReviewerSpec) -> Run:
        if not run.pending:
            return run
        approval = run.pending[0]
        said = f": “{safe(reviewer.reason or reviewer.text)}”" if reviewer.reason else ""
        line = styled(f"{reviewer.who} ", "bold yellow")
        line.append(f"{reviewer.answer}s{said}", style="yellow")
        self._show(line, 2)
        seen = len(run.events)
        decided = await self._desk.decide(
            approval.id, reviewer.vote(approval), principal=reviewer.who
        )
        for event in decided.events[seen:]:
            if event.type == "route.hop":
                await self._step(styled(f"  → {event.data['to']}: {event.why}", "dim"))
            elif event.type in _TOLD:
                told = f"    {event.data.get('tool')} {_TOLD[event.type]}"
                await self._step(styled(told, "dim"))
        return decided

    def _note(self, played: Played, expected: Status, run: Run) -> None:
        """Print how a run stands now and keep it beside what was expected."""
        played.actual.append(run.status)
        for approval in run.pending:
            needs = " and ".join(f"{n.count} × {n.role}" for n in approval.needs)
            self._show(styled(f"{call_text(approval)} waits for {needs}", "yellow"), 2)
        self._show(styled(run.outcome.text), 2)
        listed = sources(run.outcome.citations)
        if listed:
            self._show(styled("\n".join(listed), "dim"), 2)
        self._show(_badge(run.status, expected, run.outcome.cause), 2)

    def _count(self, played: Played, said: SaidSpec, run: Run) -> None:
        played.hops += sum(event.type == "route.hop" for event in run.events)
        effects = [str(e.data.get("tool")) for e in run.events if e.type == "effect.done"]
        played.effects += effects
        faults = said.faults([c.document for c in run.outcome.citations], effects)
        played.faults += faults
        for fault in faults:
            self._show(styled(f"✗ {fault}", "red"), 2)

    def _people(self) -> Sequence[Principal]:
        return self._desk.services.spec.principals.principals


def _badge(status: str, expected: str, cause: str | None) -> RenderableType:
    mark = styled("✓ " if status == expected else "✗ ", "green" if status == expected else "red")
    mark.append(badge(status), style=STATUS_STYLES.get(status, ""))
    if status != expected:
        mark.append(f", expected {badge(expected)}", style="red")
    if cause:
        mark.append(f"  {safe(cause)}", style="dim")
    mark.truncate(out().width - 2, overflow="ellipsis")
    return mark


def summary(played: Sequence[Played]) -> Table:
    """Return the table of all conversations: how each ended, and what it took."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.expand = True
    table.add_column("conversation", ratio=5)
    table.add_column("expected", style="dim", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("hops", justify="right", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("effects", ratio=3, min_width=14, overflow="fold")
    for number, one in enumerate(played, start=1):
        table.add_row(
            str(number),
            styled(one.scene.title),
            _short(one.expected[-1]),
            _outcome(one),
            str(one.hops),
            f"{one.ms:.0f}",
            styled(", ".join(one.effects) or "none", "" if one.effects else "dim"),
        )
    return table


def _outcome(played: Played) -> RenderableType:
    text = styled("✓ " if played.as_expected else "✗ ", "green" if played.as_expected else "red")
    last = played.actual[-1]
    return text.append(_short(last), style=STATUS_STYLES.get(last, ""))


def _short(status: str) -> str:
    return "waiting" if status == "awaiting_review" else badge(status)


def how_to_go_on(workspace: Path | None, home: Path | None) -> None:
    """Print the commands that come next."""
    put(styled("Go on yourself:", "bold"))
    steps = []
    if shutil.which("concertmaster") is None:
        folder = os.path.relpath(Path(sys.executable).parent)
        steps.append((f". {shlex.quote(folder)}/activate", "first: puts the command on the path"))
    if workspace is None:
        steps += [
            ("concertmaster init my_desk --from support_desk", "a copy of your own"),
            ("concertmaster check my_desk", "is it ready?"),
            ("concertmaster chat my_desk --as ana", "talk with it"),
            ("concertmaster approvals list", "what waits for a person"),
            ("concertmaster threads list", "what happened, and why"),
        ]
    else:
        quoted = shlex.quote(str(workspace))
        steps.append((f"concertmaster chat {quoted} --as WHO", "talk with it"))
    if home is not None:
        where = shlex.quote(str(home))
        steps.append((f"concertmaster threads list --home {where}", "what was just played"))
    for command, why in steps:
        line = styled(f"  {command:<46}", "cyan")
        line.append(f"  {why}", style="dim")
        put(line)
