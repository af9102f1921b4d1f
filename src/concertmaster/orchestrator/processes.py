"""Which process on which machine something belongs to, and whether it has certainly ended."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "this_process"]


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process, told from every other one that had or will have its number.

    `host` names the machine and, in containers, the space in which process numbers count; `boot`
    the time since it was started, `started` when the process was, in the machine's own ticks.
    What a system does not tell is empty.
    """

    pid: int
    host: str
    boot: str
    started: str

    def gone(self) -> bool:
        """Tell whether the process has certainly ended. One that is stopped has not."""
        here = this_process()
        if self.host != here.host:
            return False
        if self.boot and here.boot and self.boot != here.boot:
            return True
        state, started = _state(self.pid)
        if state in ("Z", "X"):
            return True
        if state:
            return bool(self.started) and started != self.started
        return not _exists(self.pid)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host.partition('/')[0]}"


def this_process() -> Process:
    """Return the process that asks."""
    pid = os.getpid()
    space = ""
    with suppress(OSError):
        space = f"/{Path('/proc/self/ns/pid').readlink()}"
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Process(
        pid=pid, host=f"{socket.gethostname()}{space}", boot=boot, started=_state(pid)[1]
    )


def _state(pid: int) -> tuple[str, str]:
    """Return the state and the start of a process as /proc tells them; empty where it does not."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    # The name stands in brackets and may hold anything, brackets included.
    fields = told.rpartition(")")[2].split()
    return fields[0], fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
