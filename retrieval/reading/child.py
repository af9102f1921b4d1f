"""The process that parses files from strangers: it holds no secrets, and bounds itself.

It reads requests from standard input and answers on standard output: see `isolation`.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
from typing import BinaryIO

from concertmaster.retrieval.reading.reading import Reading, Unreadable
from concertmaster.retrieval.reading.registry import resolve

__all__ = ["ANSWER", "REQUEST", "main"]

REQUEST = struct.Struct(">IQI")
"""Lengths of the reader's name and of the content, and seconds; then name and content."""
ANSWER = struct.Struct(">Q")
"""The length of the answer, which is JSON."""

_MEMORY = 2**30
_SPARE_SECONDS = 5


def main() -> None:
    """Answer requests until standard input ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries print must not get among the answers.
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    _bound_memory()
    sys.setrecursionlimit(3000)
    with contextlib.suppress(KeyboardInterrupt):
        while _answer(requests, answers):
            pass


def _answer(requests: BinaryIO, answers: BinaryIO) -> bool:
    """Answer one request; false when there is none, or this process had better be replaced."""
    head = requests.read(REQUEST.size)
    if len(head) < REQUEST.size:
        return False
    name_length, length, seconds = REQUEST.unpack(head)
    name = requests.read(name_length).decode()
    content = requests.read(length)
    _bound_time(seconds)
    told, fit = _read(name, content)
    body = json.dumps(told).encode()
    answers.write(ANSWER.pack(len(body)) + body)
    answers.flush()
    return fit


def _read(name: str, content: bytes) -> tuple[dict[str, object], bool]:
    try:
        return _as_json(resolve(name)(content)), True
    except Unreadable as error:
        return {"why": error.why}, True
    except ModuleNotFoundError as error:
        package = (error.name or "a package").partition(".")[0]
        needs = f"needs {package}: pip install 'concertmaster[documents]'"
        return {"why": needs}, True
    except RecursionError:
        return {"why": "is nested too deeply"}, True
    except MemoryError:
        return {"why": f"takes more than {_MEMORY // 2**20} MiB of memory to read"}, False
    except Exception as error:
        return {"why": f"is damaged ({type(error).__name__})"}, True


def _as_json(reading: Reading) -> dict[str, object]:
    return {
        "text": reading.text,
        "marks": [(mark.at, mark.kind, mark.number) for mark in reading.marks],
        "title": reading.title,
        "notes": reading.notes,
    }


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
