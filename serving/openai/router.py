"""All routes of OpenAI's protocols."""

from __future__ import annotations

from fastapi import APIRouter

from concertmaster.serving.api.signing_in import DESCRIBED
from concertmaster.serving.openai.catalogue import router as catalogue
from concertmaster.serving.openai.chat import router as chat
from concertmaster.serving.openai.responses import router as responses

__all__ = ["router"]

router = APIRouter(dependencies=DESCRIBED)
for _part in (catalogue, chat, responses):
    router.include_router(_part)
