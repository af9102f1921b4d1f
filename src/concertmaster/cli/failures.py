"""From errors to exit codes and one line for people; no traceback unless it is asked for."""

from __future__ import annotations

import os
from typing import Any

import typer
from typer.core import TyperGroup

from concertmaster import errors
from concertmaster.cli.console import complain, print_json, wants_json

__all__ = [
    "EXIT_CODES",
    "FAILED",
    "FINDINGS",
    "INTERRUPTED",
    "REFUSED",
    "CommandGroup",
    "exit_code",
]

FINDINGS, USAGE, NOT_READY, HOME, REFUSED, FAILED, BUG, INTERRUPTED = 1, 2, 3, 4, 5, 6, 70, 130

EXIT_CODES = {
    0: "done: answered, passed to its owner, or waiting for a person",
    FINDINGS: "findings: a check found errors, a test or the demo ended otherwise than expected",
    USAGE: "usage: an option, an id, a name or a message is wrong",
    NOT_READY: "the workspace cannot be read or is not ready",
    HOME: "the home directory is busy, missing, read-only or damaged",
    REFUSED: "refused: by policy, or the answer to an approval was not accepted",
    FAILED: "the run failed, or a model or a tool did",
    BUG: "an unexpected error: please report it",
    INTERRUPTED: "interrupted with Ctrl-C",
}
"""What the exit codes mean, for `--help` and for scripts."""

# The first class that fits decides, so that the special ones come before what they derive from.
_CODES: tuple[tuple[type[errors.ConcertmasterError], int], ...] = (
    (errors.ApprovalUnknown, USAGE),
    (errors.ApprovalError, REFUSED),
    (errors.ThreadForbidden, REFUSED),
    (errors.WorkspaceError, NOT_READY),
    (errors.PolicyError, NOT_READY),
    (errors.KnowledgeError, NOT_READY),
    (errors.HomeError, HOME),
    (errors.StorageError, HOME),
    (errors.IndexMismatch, HOME),
    (errors.ModelError, FAILED),
    (errors.ToolError, FAILED),
    (errors.EffectInDoubt, FAILED),
)


def exit_code(error: errors.ConcertmasterError) -> int:
    """Return the exit code of an error raised on purpose."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), USAGE)


_ORDER = (
    "demo",
    "init",
    "check",
    "policy",
    "schema",
    "ingest",
    "run",
    "chat",
    "approvals",
    "threads",
)


class CommandGroup(TyperGroup):
    """The commands, with one place where everything that they raise ends."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order in which a newcomer needs them."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda n: _ORDER.index(n) if n in _ORDER else len(_ORDER))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end with a message and a documented exit code if it fails."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("interrupted", hint="what was stored is kept; run the same command again")
            raise typer.Exit(INTERRUPTED) from None
        except errors.ConcertmasterError as error:
            if _debugging():
                raise
            if wants_json(ctx):
                print_json(
                    {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
                )
            complain(error.message, code=error.code, hint=error.hint)
            raise typer.Exit(exit_code(error)) from None
        except Exception as error:
            # Typer's own exceptions carry their exit code; a closed pipe is Typer's to handle.
            if hasattr(error, "exit_code") or isinstance(error, BrokenPipeError) or _debugging():
                raise
            if wants_json(ctx):
                print_json({"error": {"code": None, "message": f"unexpected {_name(error)}"}})
            complain(
                f"unexpected {_name(error)}: {error}",
                hint="this is a fault of Concertmaster or of the workspace's own code;"
                " CONCERTMASTER_DEBUG=1 shows where",
            )
            raise typer.Exit(BUG) from None


def _name(error: Exception) -> str:
    return type(error).__name__


def _debugging() -> bool:
    return os.environ.get("CONCERTMASTER_DEBUG", "") not in ("", "0")
