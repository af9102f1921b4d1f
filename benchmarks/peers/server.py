"""A model on the loopback interface, in a process of its own: it calls a tool, then it answers.

    python -m peers.server      prints its URL; ends when its standard input does

Speaks as much of HTTP/1.1 and of OpenAI's chat completions as clients need, and keeps connections
open. A request that offers tools and holds no result yet is answered with a call of the first one
offered; any other, with a sentence. Needs the standard library alone.
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


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    answered = any(message.get("role") == "tool" for message in body["messages"])
    offered = [tool["function"]["name"] for tool in body.get("tools") or ()]
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
    reason = "stop"
    if offered and not answered:
        name = TOOL if TOOL in offered else offered[0]
        function = {"name": name, "arguments": json.dumps(ARGUMENTS)}
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


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").split("\r\n")
            fields = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
            raw = await reader.readexactly(int(fields.get("content-length", 0)))
            if lines[0].startswith("POST"):
                said: dict[str, Any] = _answer(json.loads(raw))
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
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
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
