"""The command line: `concertmaster COMMAND`."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name, and leave with its exit code."""
    try:
        from concertmaster.cli.app import app

        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character gets a question mark, not a traceback.
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="replace")
        app(prog_name="concertmaster")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # The work is done: a late Ctrl-C must not spoil the exit code.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
