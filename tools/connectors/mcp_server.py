"""An MCP server whose tools a workspace uses: where it is, and which of its tools are declared."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from concertmaster.contracts import Principal
from concertmaster.errors import ConfigError
from concertmaster.tools.connectors.connection import Place
from concertmaster.tools.connectors.credentials import filled, secret_fault
from concertmaster.tools.connectors.offered import fault_of, offered_schema
from concertmaster.tools.connectors.pins import Pin, read_pins
from concertmaster.tools.connectors.remote import CONTEXT, RemoteTool
from concertmaster.tools.connectors.sessions import Sharer
from concertmaster.tools.declaration import Tool, declare
from concertmaster.tools.langchain import schema_arguments
from concertmaster.tools.signature import Described

__all__ = ["McpServer"]

_LIMIT = 1024 * 1024
_IDLE = 60.0
_LONGEST_IDLE = 3600.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class McpServer:
    """A server whose tools become declared tools, each by one line of `tools.py`.

    >>> tracker = McpServer("tracker", url="https://mcp.tracker.example/mcp",
    ...                     headers={"Authorization": "Bearer $TRACKER_TOKEN"})
    >>> find_issues = tracker.tool("find_issues", effect="read", label="internal")
    >>> find_issues.name, find_issues.consequential
    ('find_issues', False)

    What the server has besides is not offered to anybody. Nothing is asked of it before a call.

    Args:
        name: what the workspace calls it.
        url: its address, for streamable HTTP: https, or http on this machine.
        headers: sent with each request. `$NAME` stands for a variable of the environment.
        command: instead of `url`, what to start: it speaks over its standard input and output.
        env: the variables that the command gets, besides PATH, HOME and the like.
        limit: the bytes that one call may bring.
        idle: seconds without a call for which a desk keeps a connection to it open. With 0 each
            call has one of its own, so that a server keeps nothing from one call to the next.
        shared: let the calls of all people of a tenant use one connection. Declare it for servers
            that keep nothing from one call to the next; without it each person has one.
        folder: where `mcp.lock.json` lies and where the command starts; by default the folder of
            the module that makes this object.

    Raises:
        ConfigError: it is declared in a way that cannot work, or holds a credential.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        limit: int = _LIMIT,
        idle: float = _IDLE,
        shared: bool = False,
        folder: Path | None = None,
    ) -> None:
        frame = sys._getframe(1)
        self.name = name
        self.url, self.headers = url, dict(headers or {})
        self.command, self.env = tuple(command or ()), dict(env or {})
        self.limit, self.idle, self.shared = limit, float(idle), shared
        self.folder = folder or Path(frame.f_code.co_filename).resolve().parent
        self.source = (frame.f_code.co_filename, frame.f_lineno)
        self._check(isinstance(command, str))

    def __repr__(self) -> str:
        return f"McpServer({self.name!r}, {self.at!r})"

    def sharer(self, principal: Principal) -> Sharer:
        """Return whose calls use one connection with those of somebody."""
        return principal.tenant, None if self.shared else principal.id

    @property
    def at(self) -> str:
        """Where it is, in words that hold no credential."""
        return self.url if self.url is not None else " ".join(self.command)

    def tool(
        self,
        tool: str,
        *,
        name: str | None = None,
        description: str = "",
        arguments: Mapping[str, str] | None = None,
        server_texts: bool = False,
        key: str | None = None,
        not_done_on_error: bool = False,
        timeout: float = 20.0,
        effect: Any = "irreversible",
        **declared: Any,
    ) -> Tool:
        """Declare one of its tools.

        Args:
            tool: its name at the server.
            name: its name here; by default the same, with `_` for `-`, `.` and `/`.
            description: what models are told of it. What the server says is not shown to them.
            arguments: what models are told of arguments, by name.
            server_texts: show models the server's own descriptions, as they were pinned.
            key: the argument that takes the idempotency key. Models neither see nor fill it.
            not_done_on_error: when the server reports an error, nothing took place. Without it, an
                effect is in doubt then, and a person looks.
            timeout: seconds for one attempt, the connection included.
            effect: as `declare` takes it, like all other arguments: `idempotent`, `label`,
                `trusted`, `clearance`, `targets`, `asks`, `facts`, `reconcile`, `fallback`,
                `waiver`.

        Raises:
            ConfigError: the declaration contradicts itself.
        """
        frame = sys._getframe(1)
        called = name or tool.replace("-", "_").replace(".", "_").replace("/", "_")
        told = dict(arguments or {})
        pin = read_pins(self.folder).of(self.name, self.at, tool)
        fault = self._fault(tool, pin, told, key)
        schema: Mapping[str, Any] = {"type": "object", "properties": {}}
        if pin is not None and not fault:
            schema = offered_schema(pin, described=told, key=key, prose=server_texts)
        by_server = pin.description if pin is not None and server_texts else None
        described = Described(
            function=RemoteTool(
                server=self,
                name=tool,
                pin=None if fault else pin,
                consequential=effect != "read",
                seconds=timeout,
                key=key,
                not_done_on_error=not_done_on_error,
            ),
            name=called,
            description=description or by_server or f"{tool} of the MCP server {self.name}.",
            arguments=schema_arguments(called, schema),
            context_parameter=CONTEXT,
            plain=True,
        )
        if fault:
            # Without its arguments nobody can tell whether they are named rightly.
            declared.pop("targets", None)
        made = declare(described, name=called, effect=effect, timeout=timeout, **declared)
        source = (frame.f_code.co_filename, frame.f_lineno)
        return dataclasses.replace(made, source=source, fault=fault or "")

    def place(self, seconds: float) -> tuple[Place, frozenset[str]]:
        """Return where to connect, with the credentials of the environment, and these alone.

        Raises:
            ConfigError: the environment lacks one of them.
        """
        headers, known = filled(self.headers, os.environ)
        env, more = filled(self.env, os.environ)
        there = Place(
            url=self.url,
            headers=headers,
            command=self.command,
            env=env,
            folder=self.folder,
            limit=self.limit,
            seconds=seconds,
        )
        return there, known | more

    def _fault(
        self, tool: str, pin: Pin | None, told: Mapping[str, str], key: str | None
    ) -> str | None:
        if pin is None:
            return (
                f"nobody has looked at {tool!r} of the MCP server {self.name} yet"
                " (`concertmaster tools pin` writes down what it takes and returns)"
            )
        try:
            fault = fault_of(pin, told, key)
            if fault is None:
                schema_arguments(tool, offered_schema(pin, described=told, key=key))
        except ConfigError as error:
            fault = error.message
        return fault

    def _check(self, one_text: bool) -> None:
        if (self.url is None) == (not self.command) or one_text:
            raise ConfigError(
                f"MCP server {self.name}: give either url='https://…' or command=['…', '…']"
            )
        if not self.name.isidentifier():
            raise ConfigError(f"{self.name!r} cannot be an MCP server's name", hint="as in Python")
        if not 0 <= self.idle <= _LONGEST_IDLE:
            raise ConfigError(f"MCP server {self.name}: idle is no number of seconds up to an hour")
        if self.url is not None:
            self._check_url(self.url)
        open_ = secret_fault(self.headers) or secret_fault(self.env)
        if open_ is not None:
            raise ConfigError(
                f"MCP server {self.name}: {open_} holds a value that looks like a credential",
                hint="name a variable of the environment: '$NAME', or 'Bearer $NAME'",
            )

    def _check_url(self, url: str) -> None:
        parts = urlsplit(url)
        near = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not (parts.scheme == "https" or near) or not parts.hostname:
            raise ConfigError(
                f"MCP server {self.name}: its address is neither https nor on this machine"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigError(
                f"MCP server {self.name}: its address holds more than host, port and path",
                hint="credentials go into headers, as '$NAME'",
            )
