"""The peer: a bare FastAPI app that reads a request and sends a recorded stream, part by part.

python echo.py FILE        (a JSON list of texts; prints its port)
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse


def main() -> None:
    """Serve until the process is ended."""
    recorded: list[str] = json.loads(Path(sys.argv[1]).read_text())
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def echo(body: dict[str, Any]) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for part in recorded:
                yield part

        return StreamingResponse(parts(), media_type="text/event-stream")

    there = socket.socket()
    there.bind(("127.0.0.1", 0))
    print(there.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[there])


if __name__ == "__main__":
    main()
