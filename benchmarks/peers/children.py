"""The processes of a measurement: the model's server, and one for each peer."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from environments import installed

from peers.catalog import Peer

__all__ = ["Child", "Gone", "asked", "served"]

_ROOT = Path(__file__).resolve().parents[1]
# Nobody traces, and nobody reports home.
_QUIET = {
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "ENABLE_INSTRUMENTATION": "false",
    "AGNO_TELEMETRY": "false",
}


class Gone(Exception):
    """A peer that could not be installed or started, or that ended or did not answer."""


class Child:
    """A peer's process.

    Args:
        peer: which one.
        url: the model's.
        folder: where it may write.
        patience: how many seconds it has for an answer.

    Raises:
        Gone: it cannot be installed, or does not start.
    """

    def __init__(self, peer: Peer, url: str, folder: Path, patience: float) -> None:
        self.peer = peer
        self._patience = patience
        own = folder / peer.name
        own.mkdir()
        self._said = folder / f"{peer.name}.txt"
        python = _interpreter(peer)
        with self._said.open("wb") as said:
            self._process = _started(python, f"peers.{peer.module}", url, str(own), said=said)
        self.version = str(self._answer()["version"])

    def close(self) -> None:
        """End it."""
        _ended(self._process)

    def ask(self, **question: Any) -> dict[str, Any]:
        """Have it do what is asked for, and return its figures.

        Raises:
            Gone: it ended, or took too long.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Gone(self._last_words("ended")) from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], self._patience)[0]:
            self._process.kill()
            raise Gone(self._last_words(f"did not answer within {self._patience:g} s"))
        line = self._process.stdout.readline()
        if not line:
            raise Gone(self._last_words("ended"))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self, what: str) -> str:
        _ended(self._process)
        said = self._said.read_text(encoding="utf-8", errors="replace").strip()
        return f"{what}: {said[-2000:]}"


def _interpreter(peer: Peer) -> Path:
    if not peer.requirements:
        return Path(sys.executable)
    try:
        return installed(peer.name, *peer.requirements)
    except (subprocess.CalledProcessError, OSError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        raise Gone(f"cannot be installed: {said[-600:] or error}") from None


@contextmanager
def served(seconds: float = 0.0) -> Iterator[str]:
    """Run the model's server, which takes so long for each answer; give its URL."""
    process = _started(Path(sys.executable), "peers.server", str(seconds))
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        _ended(process)


def asked(url: str) -> int:
    """Return how often the model was asked so far."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/count", timeout=30) as answer:
        return int(json.load(answer)["count"])


def _started(
    python: Path, module: str, *arguments: str, said: IO[bytes] | None = None
) -> subprocess.Popen[str]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [python, "-W", "ignore", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        cwd=_ROOT,
        env={**os.environ, **_QUIET, "PYTHONPATH": os.pathsep.join(paths)},
    )


def _ended(process: subprocess.Popen[str]) -> None:
    """Close its input, and end it if it goes on."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.close()
        process.wait(timeout=30)
    except (BrokenPipeError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    process.stdout.close()
