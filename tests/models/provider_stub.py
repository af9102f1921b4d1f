"""Loopback servers that speak the protocols of Anthropic, Ollama and Azure, one answer each."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from concertmaster.testing import Flood
from concertmaster.testing.flood import pour


@dataclass
class Stub:
    """A running server: where it is, what it was asked, with which headers."""

    url: str = ""
    status: int = 200
    text: str = "Hello there."
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    flood: Flood | None = None
    poured: int = 0

    def count(self, size: int) -> None:
        self.poured += size


@contextmanager
def provider_stub(**settings: Any) -> Iterator[Stub]:
    stub = Stub(**settings)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            stub.asked.append(body)
            stub.headers.append({k.lower(): v for k, v in self.headers.items()})
            if stub.flood is not None:
                pour(self, stub.flood, stub.count)
                return
            if stub.status == 307:
                self.send_response(307)
                self.send_header("location", f"{stub.url}/elsewhere")
                self.end_headers()
                return
            answers = {"/v1/messages": _anthropic, "/api/chat": _ollama}
            answer = answers.get(self.path.partition("?")[0], _openai)
            self._send(stub.status, answer(stub, body))

        def _send(self, status: int, lines: list[dict[str, Any]]) -> None:
            sent = "\n".join(json.dumps(line) for line in lines).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _anthropic(stub: Stub, body: dict[str, Any]) -> list[dict[str, Any]]:
    if stub.status != 200:
        return [{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}]
    forced = body.get("tool_choice", {}).get("name")
    content: dict[str, Any] = {"type": "text", "text": stub.text}
    if forced:
        content = {"type": "tool_use", "id": "t1", "name": forced, "input": {"to": "a"}}
    return [
        {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [content],
            "stop_reason": "tool_use" if forced else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1000, "output_tokens": 100},
        }
    ]


def _ollama(stub: Stub, body: dict[str, Any]) -> list[dict[str, Any]]:
    if stub.status != 200:
        return [{"error": "busy"}]
    common = {"model": body["model"], "created_at": "2026-11-21T00:00:00Z"}
    return [
        {
            **common,
            "message": {"role": "assistant", "content": stub.text},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 9,
            "eval_count": 3,
        }
    ]


def _openai(stub: Stub, body: dict[str, Any]) -> list[dict[str, Any]]:
    message = {"role": "assistant", "content": stub.text}
    return [
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        }
    ]
