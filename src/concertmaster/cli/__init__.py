"""The command line: `concertmaster COMMAND`."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name, and leave with its exit code."""
    try:
        from concertmaster.cli.app import app

        _prepare()
        app(prog_name="concertmaster")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # The work is done: a late Ctrl-C must not spoil the exit code.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _prepare() -> None:
    import logging
    import os

    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets a question mark, not a traceback.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    if os.environ.get("CONCERTMASTER_DEBUG", "") not in ("", "0"):
        logging.basicConfig(level=logging.INFO)
    else:
        # What matters is in the trail; libraries do not write between the lines of an answer.
        logging.getLogger().addHandler(logging.NullHandler())
