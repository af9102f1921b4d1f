"""An OpenAI-compatible server on the loopback interface, over real HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from concertmaster.testing.flood import pour
from concertmaster.testing.loopback import Loopback, Quiet
from concertmaster.testing.script import (
    Answer,
    Calls,
    Cut,
    Drop,
    Ended,
    Fail,
    Flood,
    Garbage,
    Give,
    Hang,
    Say,
    Script,
    ScriptExhausted,
    Status,
    Step,
    answer_as_call,
    tokens,
)

__all__ = ["OpenAIServer", "ServedRequest", "openai_server"]


@dataclass(frozen=True)
class ServedRequest:
    """One request that came in. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of a chat request."""
        return list(self.body.get("messages", ()))

    @property
    def text(self) -> str:
        """The whole body, to search in."""
        return json.dumps(self.body, ensure_ascii=False)


def openai_server(
    *steps: Step,
    otherwise: Step | None = None,
    models: Sequence[str] | Flood = ("scripted-model",),
) -> OpenAIServer:
    """Return a server to be used with `with` or `async with`.

    Args:
        steps: one answer for each chat request, in order; see `concertmaster.testing.script`.
            Functions get the request's messages as a list of mappings.
        otherwise: the answer once the steps have run out; else that is an HTTP 500.
        models: what `/v1/models` lists, or a flood.

    >>> with openai_server("Hello.") as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """
    listed = models if isinstance(models, Flood) else tuple(models)
    return OpenAIServer(Script(steps, otherwise), listed)


class OpenAIServer:
    """The running server: `url` ends in `/v1`; `requests` are those that came in so far."""

    def __init__(self, script: Script, models: tuple[str, ...] | Flood) -> None:
        self._script = script
        self._models = models
        self._http: _HTTP | None = None
        self._requests: list[ServedRequest] = []

    @property
    def url(self) -> str:
        """Where the server listens."""
        if self._http is None:
            raise RuntimeError("the server is not running; use it with `with`")
        return f"{self._http.url}/v1"

    @property
    def requests(self) -> tuple[ServedRequest, ...]:
        """Every request so far, in order."""
        return tuple(self._requests)

    @property
    def poured(self) -> int:
        """How many bytes of floods went out so far; sockets hold some that nobody read."""
        return self._http.poured if self._http is not None else 0

    @property
    def remaining(self) -> int:
        """How many steps of the script were not used yet."""
        return self._script.remaining

    def __enter__(self) -> Self:
        self._http = _HTTP(self._script, self._models, self._requests)
        self._http.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._http is not None:
            self._http.stop()
            self._http = None

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


class _HTTP(Loopback):
    """The listening socket and what its handlers share."""

    def __init__(
        self, script: Script, models: tuple[str, ...] | Flood, requests: list[ServedRequest]
    ) -> None:
        super().__init__(_Handler)
        self.script, self.models, self.requests = script, models, requests
        self.poured = 0

    def count(self, size: int) -> None:
        """Count what is poured."""
        self.poured += size


class _Handler(Quiet, BaseHTTPRequestHandler):
    """One connection with one request."""

    server: _HTTP

    def do_GET(self) -> None:
        """Serve the list of models."""
        self._record({})
        if self.path.rstrip("/") != "/v1/models":
            self._send(404, _error("there is nothing here"))
            return
        if isinstance(self.server.models, Flood):
            self._pour(self.server.models)
            return
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "test"}
            for name in self.server.models
        ]
        self._send(200, {"object": "list", "data": listed})

    def do_POST(self) -> None:
        """Serve a chat completion by the script's next step."""
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        self._record(body if isinstance(body, dict) else {})
        if self.path.rstrip("/") != "/v1/chat/completions":
            self._send(404, _error("there is nothing here"))
        elif not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            self._send(400, _error("the body is no chat request"))
        else:
            self._play(body)

    def _record(self, body: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(ServedRequest(self.command, self.path, headers, body))

    def _play(self, body: dict[str, Any]) -> None:
        try:
            answer, seconds = self.server.script.next(body["messages"])
        except ScriptExhausted as exhausted:
            self._send(500, _error(exhausted.message))
            return
        self.server.stopping.wait(seconds)
        match answer:
            case Status():
                self._refuse(answer)
            case Fail(raised):
                self._send(500, _error(str(raised)))
            case Hang(duration):
                self.server.stopping.wait(duration)
            case Garbage(text):
                self._send_text(200, text)
            case Flood():
                self._pour(answer)
            case Drop() if not body.get("stream"):
                self.connection.shutdown(socket.SHUT_RDWR)
            case Cut(text) if not body.get("stream"):
                self._cut(_completion(Calls((), text), body, self.server.script.asked))
            case _ if body.get("stream"):
                self._stream(answer, body)
            case _:
                shown = _calls(answer, body)
                ended = answer.reason if isinstance(answer, Ended) else None
                self._send(200, _completion(shown, body, self.server.script.asked, ended))

    def _stream(self, answer: Answer, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        dropped = isinstance(answer, Drop | Cut)
        shown = Calls((), "This is only the begin") if dropped else _calls(answer, body)
        ended = answer.reason if isinstance(answer, Ended) else None
        for chunk in _chunks(
            shown, body, self.server.script.asked, finished=not dropped, ended=ended
        ):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
        if dropped:
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(b"data: [DONE]\n\n")

    def _pour(self, flood: Flood) -> None:
        pour(self, flood, self.server.count)

    def _refuse(self, status: Status) -> None:
        after = status.retry_after
        headers = {} if after is None else {"retry-after": str(after)}
        self._send_text(status.code, json.dumps(_error(status.message, status.error)), headers)

    def _cut(self, value: dict[str, Any]) -> None:
        """Send half of what the header announces."""
        encoded = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded[: len(encoded) // 2])
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, code: int, value: dict[str, Any]) -> None:
        self._send_text(code, json.dumps(value))

    def _send_text(self, code: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        encoded = text.encode()
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "scripted", "param": None, "code": code}}


def _calls(answer: Answer, body: dict[str, Any]) -> Calls:
    if isinstance(answer, Give):
        call = answer_as_call(answer, body.get("tools") or (), body.get("tool_choice"))
        return Calls((call,)) if call else Calls((), json.dumps(answer.data))
    if isinstance(answer, Say | Ended):
        return Calls((), answer.text)
    assert isinstance(answer, Calls)
    return answer


def _tool_calls(answer: Calls) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id or f"call_{number}",
            "type": "function",
            "function": {"name": call.tool, "arguments": call.written()},
        }
        for number, call in enumerate(answer.calls)
    ]


def _usage(answer: Calls, body: dict[str, Any]) -> dict[str, int]:
    read = tokens(json.dumps(body["messages"]))
    written = tokens(answer.text) + sum(tokens(c.written()) for c in answer.calls)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _envelope(kind: str, body: dict[str, Any], number: int) -> dict[str, Any]:
    model = body.get("model", "scripted-model")
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 0, "model": model}


def _completion(
    answer: Calls, body: dict[str, Any], number: int, ended: str | None = None
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.calls:
        message["tool_calls"] = _tool_calls(answer)
    ended = ended or ("tool_calls" if answer.calls else "stop")
    return {
        **_envelope("chat.completion", body, number),
        "choices": [{"index": 0, "message": message, "finish_reason": ended, "logprobs": None}],
        "usage": _usage(answer, body),
    }


def _chunks(
    answer: Calls, body: dict[str, Any], number: int, *, finished: bool, ended: str | None = None
) -> Iterator[dict[str, Any]]:
    envelope = _envelope("chat.completion.chunk", body, number)

    def chunk(delta: dict[str, Any], ended: str | None = None) -> dict[str, Any]:
        return {**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": ended}]}

    yield chunk({"role": "assistant", "content": ""})
    for word in answer.text.split(" ") if answer.text else ():
        yield chunk({"content": word if word == answer.text.split(" ")[0] else f" {word}"})
    for index, call in enumerate(_tool_calls(answer)):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    if finished:
        yield chunk({}, ended or ("tool_calls" if answer.calls else "stop"))
        if (body.get("stream_options") or {}).get("include_usage"):
            yield {**envelope, "choices": [], "usage": _usage(answer, body)}
