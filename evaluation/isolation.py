"""Keeps an evaluation on this machine: no traces, no notices, no foreign stores, no connections."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

__all__ = ["Fence", "isolated"]

_LEFT_OUT = ("CONCERTMASTER_WEBHOOK_", "CONCERTMASTER_AUDIT_", "CONCERTMASTER_CHROMA")
"""Settings that lead out of a temporary home: notices, somebody's signed heads, a shared index."""

_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


class Fence:
    """Refuses connections and name look-ups that lead off this machine; `refused` names them."""

    def __init__(self) -> None:
        self._refused: dict[str, int] = {}

    @property
    def refused(self) -> dict[str, int]:
        """Where something wanted to go, and how often."""
        return dict(self._refused)

    def refuse(self, where: str) -> None:
        """Note an attempt and stop it.

        Raises:
            ConnectionRefusedError: always.
        """
        self._refused[where] = self._refused.get(where, 0) + 1
        raise ConnectionRefusedError(f"an offline evaluation does not connect to {where}")


_fences: list[Fence] = []
_hooked = threading.Lock()
_installed: list[bool] = []


@contextlib.contextmanager
def isolated(*, online: bool = False) -> Iterator[Fence]:
    """Keep everything inside on this machine; for the whole process, until it ends.

    LangSmith is told to trace nothing, whatever the environment says. Settings that name
    webhooks, audit files or a shared index do not hold meanwhile.

    Args:
        online: let connections pass, for workspaces whose models or tools are elsewhere; traces and
            notices stay off.
    """
    from langsmith import tracing_context

    fence = Fence()
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_LEFT_OUT)}
    if not online:
        _install()
        _fences.append(fence)
    try:
        with tracing_context(enabled=False):
            yield fence
    finally:
        if not online:
            _fences.remove(fence)
        os.environ.update(kept)


def _install() -> None:
    """Watch connections. An audit hook stays for ever; without a fence it does nothing."""
    with _hooked:
        if not _installed:
            sys.addaudithook(_watch)
            _installed.append(True)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _fences or not event.startswith("socket."):
        return
    where: str | None = None
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        where = _outside(arguments[0], arguments[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        where = None if _local(arguments[0]) else str(arguments[0])
    if where is not None:
        _fences[-1].refuse(where)


def _outside(connection: Any, address: Any) -> str | None:
    if getattr(connection, "family", None) not in (socket.AF_INET, socket.AF_INET6):
        return None
    if not isinstance(address, tuple) or _local(address[0]):
        return None
    return f"{address[0]}:{address[1]}"


def _local(host: Any) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name is None or not name or str(name).lower() in _LOCAL_NAMES:
        return True
    try:
        address = ip_address(str(name).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
