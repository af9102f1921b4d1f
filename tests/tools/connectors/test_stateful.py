"""A server of the protocol as it was: it gives each connection a session, and may forget it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from concertmaster.errors import ToolError, ToolUncertain
from concertmaster.tools import Tool, ToolContext
from concertmaster.tools.connectors import McpServer
from concertmaster.tools.connectors.keeping import kept_open
from concertmaster.tools.connectors.probing import pin_tools
from concertmaster.tools.execution import run_tool

COUNT = {"name": "count", "inputSchema": {"type": "object", "properties": {}}}


class Old(ThreadingHTTPServer):
    """What was asked of it, and in which sessions."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.sessions: list[str] = []
        self.forgets_before = ""
        self.breaks_off = False
        self.gate = threading.Event()
        self.gate.set()

    def answer(self, method: str, session: str | None) -> tuple[int, Any]:
        if method == self.forgets_before:
            self.sessions.clear()
        if method == "server/discover":
            return 200, {"error": {"code": -32601, "message": "what?"}}
        if method == "initialize":
            self.sessions.append(f"s-{len(self.asked)}")
            about = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
            return 200, {"result": {**about, "serverInfo": {"name": "old", "version": "1"}}}
        if session not in self.sessions:
            return 404, {}
        if method == "tools/list":
            return 200, {"result": {"tools": [COUNT]}}
        return 200, {"result": {"content": [{"type": "text", "text": str(len(self.asked))}]}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Old

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method = message["method"]
        self.server.asked.append(method)
        if "id" not in message:
            return self.reply(202, b"")
        if method == "tools/call" and self.server.breaks_off:
            self.close_connection = True
            self.connection.close()
            return None
        if method == "tools/call":
            self.server.gate.wait(60)
        code, body = self.server.answer(method, self.headers.get("mcp-session-id"))
        told = json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}) if body else ""
        return self.reply(code, told.encode(), method == "initialize")

    def do_GET(self) -> None:
        self.server.asked.append("GET")
        self.reply(405, b"")

    def do_DELETE(self) -> None:
        self.server.asked.append("DELETE")
        self.reply(200, b"")

    def reply(self, code: int, body: bytes, begins: bool = False) -> None:
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if begins:
            self.send_header("mcp-session-id", self.server.sessions[-1])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def old() -> Iterator[Old]:
    server = Old()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def count(old: Old, tmp_path: Path) -> Tool:
    url = f"http://127.0.0.1:{old.server_port}/mcp"

    def declared() -> Tool:
        return McpServer("old", url=url, folder=tmp_path).tool("count", effect="write")

    _, found, _ = await pin_tools([declared()])
    assert found == []
    old.asked.clear()
    old.sessions.clear()
    return declared()


async def test_session_serves_all_calls_and_is_given_back(
    old: Old, count: Tool, ctx: ToolContext
) -> None:
    async with kept_open([count]):
        for _ in range(3):
            await run_tool(count, {}, ctx)
    assert old.asked.count("initialize") == 1
    assert old.asked[-1] == "DELETE"
    # Nobody listens to what a server says unasked.
    assert "GET" not in old.asked


async def test_session_that_the_server_forgot_is_begun_anew_before_the_call(
    old: Old, count: Tool, ctx: ToolContext
) -> None:
    async with kept_open([count]):
        await run_tool(count, {}, ctx)
        old.sessions.clear()
        await run_tool(count, {}, ctx)
    assert old.asked.count("initialize") == 2
    assert old.asked.count("tools/call") == 2


async def test_session_that_is_forgotten_right_before_the_call_leaves_it_undone(
    old: Old, count: Tool, ctx: ToolContext
) -> None:
    async with kept_open([count]):
        await run_tool(count, {}, ctx)
        old.forgets_before = "tools/call"
        with pytest.raises(ToolError, match="was refused by its server") as caught:
            await run_tool(count, {}, ctx)
        assert not isinstance(caught.value, ToolUncertain)
        old.forgets_before = ""
        await run_tool(count, {}, ctx)
    assert old.asked.count("initialize") == 2


async def test_answer_that_breaks_off_is_uncertain_and_the_call_not_sent_again(
    old: Old, count: Tool, ctx: ToolContext
) -> None:
    async with kept_open([count]):
        await run_tool(count, {}, ctx)
        old.breaks_off = True
        # What happened is told as it is, though the connection outlives it.
        with pytest.raises(ToolUncertain, match=r"broke off \((Remote|Read)\w+Error\)"):
            await run_tool(count, {}, ctx)
        assert old.asked.count("tools/call") == 2
        old.breaks_off = False
        await run_tool(count, {}, ctx)
    assert old.asked.count("initialize") == 2


async def test_request_that_breaks_leaves_the_others_alone(
    old: Old, count: Tool, ctx: ToolContext
) -> None:
    async with kept_open([count]):
        old.gate.clear()
        held = asyncio.create_task(run_tool(count, {}, ctx))
        async with asyncio.timeout(30):
            while "tools/call" not in old.asked:
                await asyncio.sleep(0.01)
        old.breaks_off = True
        with pytest.raises(ToolUncertain, match="broke off"):
            await run_tool(count, {}, ctx)
        old.gate.set()
        assert (await held).isdigit()
    assert old.asked.count("initialize") == 1
