"""A model on the loopback interface, in a process of its own: it calls a tool, then it answers.

    python -m peers.server [SECONDS]    prints its URL; ends when its standard input does

Speaks as much of HTTP/1.1 and of OpenAI's chat completions as clients need, and keeps connections
open. A request that offers the tool, which was not called since the user's last message, is
answered with a call of it; one that only offers others, of which none was called, with a call of
the first (a supervisor hands over); any other, with a sentence; each after SECONDS. `GET /count`
tells how often it was asked. Needs the standard library alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any

__all__ = ["ANSWER", "ARGUMENTS", "MESSAGE", "TOOL"]

TOOL = "file_note"
ARGUMENTS = {"order": "1042", "note": "the lamp flickers"}
MESSAGE = "Please file a note on order 1042: the lamp flickers"
ANSWER = "The note is filed on order 1042."

_SECONDS = float(sys.argv[1]) if __name__ == "__main__" and sys.argv[1:] else 0.0
_COUNT = [0]


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    called = _called(body["messages"])
    offered = [tool["function"]["name"] for tool in body.get("tools") or ()]
    call = TOOL if TOOL in offered else next(iter(offered), None)
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
    reason = "stop"
    if call is not None and (call not in called if call == TOOL else not called):
        given = ARGUMENTS if call == TOOL else {}
        function = {"name": call, "arguments": json.dumps(given)}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }
        reason = "tool_calls"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body.get("model") or "loopback",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


def _called(messages: list[dict[str, Any]]) -> set[str]:
    """Return the names of the tools that were called since the user's last message."""
    names: set[str] = set()
    for message in messages:
        if message.get("role") == "user":
            names.clear()
        for call in message.get("tool_calls") or ():
            names.add(call["function"]["name"])
    return names


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").split("\r\n")
            fields = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
            raw = await reader.readexactly(int(fields.get("content-length", 0)))
            if lines[0].startswith("POST"):
                _COUNT[0] += 1
                said: dict[str, Any] = _answer(json.loads(raw))
                if _SECONDS:
                    await asyncio.sleep(_SECONDS)
            elif lines[0].startswith("GET /count"):
                said = {"count": _COUNT[0]}
            else:
                listed = {"id": "loopback", "object": "model", "created": 1, "owned_by": "peers"}
                said = {"object": "list", "data": [listed]}
            text = json.dumps(said).encode()
            kind = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text)
            writer.write(b"HTTP/1.1 200 OK\r\n" + kind + text)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until standard input is closed."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=4096)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=wait, daemon=True).start()
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main())
