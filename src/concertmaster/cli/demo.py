"""`concertmaster demo`: a workspace's conversations, played from the first message to the last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import Json

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from concertmaster.cli.scenes import Played

__all__ = ["demo"]

EXAMPLE = "Example: concertmaster demo --fast"


def demo(
    workspace: Annotated[
        Path | None,
        typer.Argument(metavar="[WORKSPACE]", help="Another one than the sample support desk."),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Without pauses for reading.")] = False,
    home: Annotated[
        Path | None,
        typer.Option("--home", metavar="DIR", help="Keep what happens there; a folder to make."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Play twelve conversations over the sample support desk.

    A cited answer, refunds small and large, approvals given, refused and edited, a failing tool,
    an attempt to get around the rules: everything runs as it would in earnest, with no model and
    no key. Exits with 1 if a conversation ends otherwise than it should.
    """
    import sys

    from concertmaster.cli.console import print_json, put
    from concertmaster.cli.desks import run_async

    pause = 0 if fast or not sys.stdout.isatty() else 0.05
    played = run_async(lambda: _play(workspace, home, silent=as_json, pause=pause))
    if as_json:
        print_json(
            {
                "as_expected": all(p.as_expected for p in played),
                "conversations": [_plain(p) for p in played],
            }
        )
    else:
        from concertmaster.cli.stage import how_to_go_on, summary

        put(summary(played))
        how_to_go_on(workspace, home)
    raise typer.Exit(0 if all(p.as_expected for p in played) else 1)


async def _play(
    workspace: Path | None, home: Path | None, *, silent: bool, pause: float
) -> list[Played]:
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from concertmaster.cli.console import note
    from concertmaster.cli.desks import opened_desk
    from concertmaster.cli.scenes import load_scenes
    from concertmaster.cli.stage import Stage

    with ExitStack() as stack:
        folder = workspace or stack.enter_context(_sample())
        scenes = load_scenes(folder)
        if not silent:
            note("Preparing a fresh home: documents are indexed, the classifier is trained …")
        place = _fresh(home) or Path(
            stack.enter_context(TemporaryDirectory(prefix="concertmaster-demo-"))
        )
        async with opened_desk(folder, home=place) as desk:
            stage = Stage(desk, silent=silent, pause=pause)
            return [
                await stage.play(scene, number, len(scenes))
                for number, scene in enumerate(scenes, start=1)
            ]


def _fresh(home: Path | None) -> Path | None:
    from concertmaster.errors import ConfigError

    if home is not None and home.expanduser().exists():
        raise ConfigError(f"{home} exists", hint="the demonstration wants a home of its own")
    return home.expanduser() if home is not None else None


def _sample() -> AbstractContextManager[Path]:
    from importlib.resources import as_file, files

    return as_file(files("concertmaster.examples").joinpath("support_desk"))


def _plain(played: Played) -> dict[str, object]:
    return {
        "id": played.scene.id,
        "title": played.scene.title,
        "principal": played.scene.principal,
        "expected": played.expected,
        "actual": played.actual,
        "as_expected": played.as_expected,
        "hops": played.hops,
        "ms": round(played.ms, 1),
        "effects": played.effects,
        "faults": played.faults,
    }
