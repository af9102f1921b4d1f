"""Running readers in a process of their own: what hangs is ended, what swells or dies is named."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from concertmaster.errors import KnowledgeError
from concertmaster.retrieval.places import Mark
from concertmaster.retrieval.reading.child import ANSWER, REQUEST
from concertmaster.retrieval.reading.reading import LONGEST_TEXT, Reading, Unreadable

__all__ = ["Isolation"]

_CHILD = "concertmaster.retrieval.reading.child"
# JSON writes a character in at most 12 bytes; a mark takes some 30.
_LONGEST_ANSWER = 16 * LONGEST_TEXT
_SECONDS_TO_START = 60
_PASSED_ON = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class Isolation:
    """One child process, started when it is first needed and again after it was ended.

    Args:
        seconds: how long a file may take.

    What was read is remembered for a while, by the content's hash: the gate and the ingest of
    one start look at the same files.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def read(self, reader: str, content: bytes) -> Reading:
        """Return what a reader, named as `module:name`, makes of a content.

        Raises:
            Unreadable: the reader says so, or it took too long, too much memory, or died.
        """
        key = hashlib.sha256(f"{reader}\0{self._seconds}\0".encode() + content).digest()
        answer = _REMEMBERED.get(key)
        if answer is None:
            answer = self._ask(reader, content)
            _REMEMBERED.put(key, answer)
        told: dict[str, Any] = json.loads(answer)
        if "why" in told:
            raise Unreadable(str(told["why"]))
        marks = tuple(Mark(int(at), str(kind), int(n)) for at, kind, n in told["marks"])
        notes = tuple(map(str, told["notes"]))
        return Reading(text=told["text"], marks=marks, title=told["title"], notes=notes)

    def _ask(self, reader: str, content: bytes) -> bytes:
        child = self._running()
        name = reader.encode()
        head = REQUEST.pack(len(name), len(content), self._seconds)
        body, late = _exchange(child, (head + name, content), self._seconds)
        if body is None:
            self._end()
            why = f"took more than {self._seconds} seconds to read" if late else _DIED
            return json.dumps({"why": why}).encode()
        if b'"spent"' in body[-20:]:
            self._end()
        return body

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._end()
        environment = {k: v for k in _PASSED_ON if (v := os.environ.get(k)) is not None}
        # No variable of the caller's reaches it but these, least of all a key. With -P the current
        # folder is not searched for modules.
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        child = self._child = subprocess.Popen(  # noqa: S603 - this interpreter, fixed arguments
            [sys.executable, "-P", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        if _exchange(child, (), _SECONDS_TO_START)[0] is None:
            self._end()
            raise KnowledgeError(
                "the process that reads files did not start",
                hint=f"see what `{sys.executable} -m {_CHILD}` says",
            )
        return child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        child.wait()


def _exchange(
    child: subprocess.Popen[bytes], pieces: Sequence[bytes], seconds: int
) -> tuple[bytes | None, bool]:
    """Send pieces and return the answer, or None and whether it was waited for too long."""
    assert child.stdin is not None
    assert child.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        for piece in pieces:
            child.stdin.write(piece)
        child.stdin.flush()
        head = child.stdout.read(ANSWER.size)
        length = ANSWER.unpack(head)[0] if len(head) == ANSWER.size else -1
        body = child.stdout.read(length) if 0 <= length <= _LONGEST_ANSWER else b""
    except OSError:
        return None, late.is_set()
    finally:
        timer.cancel()
    return (body if len(body) == length else None), late.is_set()


_DIED = "ended the process that read it: it is damaged, or takes too much memory"


class _Remembered:
    """Answers by key, the latest first to stay; bounded in bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: bytes) -> bytes | None:
        with self._guard:
            answer = self._answers.get(key)
            if answer is not None:
                self._answers.move_to_end(key)
            return answer

    def put(self, key: bytes, answer: bytes) -> None:
        with self._guard:
            self._held += len(answer) - len(self._answers.pop(key, b""))
            self._answers[key] = answer
            while self._held > self._most:
                self._held -= len(self._answers.popitem(last=False)[1])


_REMEMBERED = _Remembered(32 * 2**20)
