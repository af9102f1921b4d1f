"""The process that parses files from strangers: it holds no secrets, and bounds itself.

It reads requests from standard input and answers on standard output: see `isolation`.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
import threading
import time
from typing import BinaryIO

from concertmaster.retrieval.reading.reading import Reading, Unreadable
from concertmaster.retrieval.reading.registry import resolve

__all__ = ["ANSWER", "REQUEST", "main"]

REQUEST = struct.Struct(">IQI")
"""Lengths of the reader's name and of the content, and seconds; then name and content."""
ANSWER = struct.Struct(">Q")
"""The length of the answer, which is JSON. The first one has none: this process is ready."""

_MEMORY = 2**30
_SPARE_SECONDS = 5
_LOOK_EVERY = 1.0


def main() -> None:
    """Answer requests until standard input ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries print must not get among the answers.
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    _bound_memory()
    threading.Thread(target=_outlive_nobody, args=(os.getppid(),), daemon=True).start()
    sys.setrecursionlimit(3000)
    answers.write(ANSWER.pack(0))
    answers.flush()
    with contextlib.suppress(KeyboardInterrupt):
        while _answer(requests, answers):
            pass


def _answer(requests: BinaryIO, answers: BinaryIO) -> bool:
    """Answer one request; false when there is none."""
    head = requests.read(REQUEST.size)
    if len(head) < REQUEST.size:
        return False
    name_length, length, seconds = REQUEST.unpack(head)
    name = requests.read(name_length).decode()
    content = requests.read(length)
    _bound_time(seconds)
    told = _read(name, content)
    body = json.dumps(told).encode()
    answers.write(ANSWER.pack(len(body)) + body)
    answers.flush()
    return True


def _read(name: str, content: bytes) -> dict[str, object]:
    try:
        return _as_json(resolve(name)(content))
    except Unreadable as error:
        return {"why": error.why}
    except ModuleNotFoundError as error:
        package = (error.name or "a package").partition(".")[0]
        return {"why": f"needs {package}: pip install 'concertmaster[documents]'"}
    except RecursionError:
        return {"why": "is nested too deeply"}
    except MemoryError:
        # What is left of the memory is in pieces: the next file gets another process.
        why = f"takes more than {_MEMORY // 2**20} MiB of memory to read"
        return {"why": why, "spent": True}
    except Exception as error:
        return {"why": f"is damaged ({type(error).__name__})"}


def _as_json(reading: Reading) -> dict[str, object]:
    return {
        "text": reading.text,
        "marks": [(mark.at, mark.kind, mark.number) for mark in reading.marks],
        "title": reading.title,
        "notes": reading.notes,
    }


def _outlive_nobody(parent: int) -> None:
    """End this process, whatever it does, when the one that it works for was killed."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)


def _bound_memory() -> None:
    try:
        import resource
    except ImportError:  # pragma: no cover - not on Windows
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _bound_time(seconds: int) -> None:
    """Let the kernel end this process if it still computes when nobody waits any more."""
    try:
        import resource
    except ImportError:  # pragma: no cover - not on Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds + _SPARE_SECONDS
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


if __name__ == "__main__":
    main()
