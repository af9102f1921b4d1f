"""How often a process has the disk keep what it wrote: with strace, else with a preloaded counter.

Containers may forbid the one and lack a compiler for the other; then nothing is counted, and the
figure is missing rather than guessed. Each way is tried on a process that calls fsync once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Count", "counter", "preloaded", "traced"]

_CALLS = "fsync,fdatasync,syncfs,sync_file_range"
_CALLED = re.compile(r"\d+ +\w*sync\w*\(\d+<([^>]*)>")
_ONCE = "import os, sys; f = open(sys.argv[1], 'w'); os.fsync(f.fileno())"


@dataclass(frozen=True)
class Count:
    """One way to count; start the process as it says and read whenever it rests.

    `read` returns the calls so far, by the kind of file where that is known.
    """

    name: str
    before: tuple[str, ...]
    read: Callable[[], Counter[str]]
    environment: dict[str, str] = field(default_factory=dict)


def counter(folder: Path) -> Count | None:
    """Return the first way that works on this machine; its files lie in the folder."""
    for way in (traced, preloaded):
        with suppress(OSError, subprocess.SubprocessError):
            count = way(folder)
            if count is not None and _works(way, folder):
                return count
    return None


def traced(folder: Path) -> Count | None:
    """Count with strace, if it is there: it tells the file of each call, too."""
    if shutil.which("strace") is None:
        return None
    told = folder / "strace.txt"
    told.touch()
    before = ("strace", "-f", "-y", "-qq", "-e", "signal=none", "-e", f"trace={_CALLS}")

    def read() -> Counter[str]:
        text = told.read_text(encoding="utf-8", errors="replace")
        return Counter(_kind(match.group(1)) for match in _CALLED.finditer(text))

    return Count("strace", (*before, "-o", str(told)), read)


def preloaded(folder: Path) -> Count | None:
    """Count with a small library that is loaded before libc, if there is a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library, told = folder / "shim.so", folder / "counter"
    source = Path(__file__).with_name("shim.c")
    build = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"]
    subprocess.run(build, check=True, capture_output=True)
    told.write_bytes(bytes(8))

    def read() -> Counter[str]:
        return Counter({"any": int.from_bytes(told.read_bytes(), sys.byteorder)})

    given = {"LD_PRELOAD": str(library), "DURABLE_COUNTER": str(told)}
    return Count("LD_PRELOAD", (), read, given)


def _works(way: Callable[[Path], Count | None], folder: Path) -> bool:
    """Tell whether a way counts one call as one."""
    with tempfile.TemporaryDirectory(dir=folder) as tried:
        count = way(Path(tried))
        if count is None:
            return False
        command = [*count.before, sys.executable, "-c", _ONCE, f"{tried}/file"]
        done = subprocess.run(
            command, env={**os.environ, **count.environment}, check=False, capture_output=True
        )
        return done.returncode == 0 and count.read().total() == 1


def _kind(path: str) -> str:
    if path.endswith(("-wal", "-journal")):
        return path.rpartition("-")[2]
    return "database" if ".sqlite" in path else "other"
