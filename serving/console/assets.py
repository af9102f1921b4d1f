"""The files that pages load: style, script, htmx. They lie in the package."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

__all__ = ["router", "version"]

_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.LICENSE.txt": "text/plain; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

router = APIRouter()


@router.get("/static/{file}", name="console_static")
async def static(request: Request, file: str) -> Response:
    """Return a file. Its address has its digest, so that it may be kept."""
    if file not in _TYPES:
        raise HTTPException(404, "there is no such file")
    fits = request.query_params.get("v") == version(file)
    return Response(
        _content(file),
        media_type=_TYPES[file],
        headers={
            "Cache-Control": "public, max-age=31536000, immutable" if fits else "no-cache",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"
            if file.endswith(".svg")
            else "default-src 'none'",
        },
    )


@lru_cache(maxsize=8)
def version(name: str) -> str:
    """Return a short digest of a file's content."""
    return hashlib.sha256(_content(name)).hexdigest()[:12]


@lru_cache(maxsize=8)
def _content(name: str) -> bytes:
    return files("concertmaster.serving.console").joinpath("static", name).read_bytes()
