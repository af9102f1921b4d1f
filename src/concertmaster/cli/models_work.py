"""What `concertmaster models` finds out, as plain data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.spec import WorkspaceSpec
from concertmaster.contracts.steps import ModelNeed
from concertmaster.errors import ConcertmasterError, ConfigError
from concertmaster.graphs.workspace import Workspace
from concertmaster.models.lack import lack_of
from concertmaster.models.registry import Chat, Choice, Models, declared
from concertmaster.models.requirement import required
from concertmaster.models.router import Call
from concertmaster.models.spec import ModelSpec

__all__ = ["Supposed", "explained", "rows", "tried"]

_TOKENS = 1000
_WORD = "Reply with the single word: ready"
_COLOUR = "Which of these is a colour: green, seven, Monday?"
_SCHEMA = {
    "title": "choice",
    "type": "object",
    "properties": {"word": {"enum": ["green", "seven", "Monday"]}},
    "required": ["word"],
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True)
class Supposed:
    """What is supposed of a call that is to be explained; None is what the workspace says."""

    risk: str | None = None
    tokens: int | None = None
    confidentiality: str | None = None
    principal: str | None = None
    intent: str | None = None


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return what each model is and what it lacks, in the order of declaration."""
    _, models = _models(folder)
    return [_row(chat) for chat in models.chats]


def explained(folder: Path, step: str, supposed: Supposed) -> dict[str, Any]:
    """Return the ranking of models for a step.

    Raises:
        ConfigError: there is no such step, principal or intent, or the step needs no model.
    """
    spec, models = _models(folder)
    need = _need(spec, step)
    known = _known(spec, step, need, supposed)
    tokens = _TOKENS if supposed.tokens is None else supposed.tokens
    level = Confidentiality[supposed.confidentiality or "public"]
    call = Call(tokens=tokens, output=need.output, confidentiality=level)
    needed = required(need, models.rules, known)
    ranking = models.ranking(need, call, known)
    return {
        "step": step,
        "needs": {
            "ability": needed.ability,
            "tier": needed.tier,
            "clearance": max(needed.clearance, level).name,
            "regions": sorted(needed.regions),
            "context": needed.context,
            "prefer": needed.prefer,
            "tokens": tokens,
            "output": need.output,
        },
        "rules": list(needed.notes),
        "why": ranking.why if models.configured else "no model is configured",
        "fitting": [
            {
                "name": one.spec.name,
                "tier": one.spec.tier,
                "cost": one.cost,
                "latency": one.latency,
                "score": one.score,
            }
            for one in ranking.fitting
        ],
        "passed_over": dict(ranking.passed),
    }


async def tried(folder: Path, only: str | None, seconds: float) -> list[dict[str, Any]]:
    """Ask each model two questions and return how it did."""
    _, models = _models(folder)
    chats = [chat for chat in models.chats if only is None or chat.name == only]
    if not chats:
        names = ", ".join(chat.name for chat in models.chats) or "none"
        raise ConfigError(
            "no model is declared" if only is None else f"there is no model {only!r}",
            hint=f"models.yaml declares {names}",
        )
    try:
        return [await _tried(models, chat, seconds) for chat in chats]
    finally:
        await models.aclose()


async def _tried(models: Models, chat: Chat, seconds: float) -> dict[str, Any]:
    row: dict[str, Any] = {"name": chat.name, "answers": False, "structured": None}
    if chat.missing is not None:
        return {**row, "why": chat.missing}
    asked, begun = Choice(chat, "tried"), time.monotonic()
    try:
        reply = await models.complete(asked, _asking(_WORD), timeout=seconds)
    except ConcertmasterError as error:
        return {**row, "why": error.message, "hint": error.hint}
    row |= {"answers": True, "seconds": time.monotonic() - begun, "cost": reply.usage.cost}
    try:
        found = await models.complete(asked, _asking(_COLOUR), schema=_SCHEMA, timeout=seconds)
    except ConcertmasterError as error:
        return {**row, "structured": False, "why": error.message}
    right = (found.data or {}).get("word") == "green"
    return {**row, "structured": True, "why": None if right else "took the wrong word of three"}


def _asking(text: str) -> Sequence[Mapping[str, Any]]:
    return [{"role": "user", "content": text}]


def _models(folder: Path) -> tuple[WorkspaceSpec, Models]:
    workspace = Workspace.load(folder)
    file = workspace.spec.models
    for entry in file.models:
        declared(entry, workspace.path)
    models = Models.of(None, file, folder=workspace.path, makers=workspace.makers)
    return workspace.spec, models


def _row(chat: Chat) -> dict[str, Any]:
    spec = chat.spec
    lack = lack_of(spec)
    return {
        "name": chat.name,
        "use": _use(spec),
        "tier": spec.tier,
        "clearance": spec.clearance.name,
        "region": spec.region,
        "price_known": chat.price is not None,
        "price": chat.price.model_dump() if chat.price else None,
        "key": None if spec.api_key_env is None else (lack is None or lack.kind != "key"),
        "key_variable": spec.api_key_env,
        "lacks": chat.missing,
        "fix": lack.fix if lack else None,
    }


def _use(spec: ModelSpec) -> str:
    if spec.base_url is not None:
        return f"{spec.base_url}#{spec.model}" if spec.model else spec.base_url
    return str(spec.model) if spec.provider == "workspace" else f"{spec.provider}:{spec.model}"


def _need(spec: WorkspaceSpec, step: str) -> ModelNeed:
    try:
        need = spec.workflow.step(step).model
    except KeyError:
        known = ", ".join(one.id for one in spec.workflow.steps)
        raise ConfigError(f"there is no step {step!r}", hint=f"known are {known}") from None
    if isinstance(need, ModelNeed):
        return need
    asking = [one.id for one in spec.workflow.steps if isinstance(one.model, ModelNeed)]
    raise ConfigError(f"step {step!r} needs no model", hint=f"these do: {', '.join(asking)}")


def _known(spec: WorkspaceSpec, step: str, need: ModelNeed, supposed: Supposed) -> dict[str, Any]:
    intent = None
    if supposed.intent is not None:
        found = next((i for i in spec.intents.intents if i.name == supposed.intent), None)
        if found is None:
            raise ConfigError(f"there is no intent {supposed.intent!r}")
        intent = {"name": found.name, "in_scope": True, "acts": found.acts, "owner": found.owner}
        supposed = Supposed(**{**vars(supposed), "risk": supposed.risk or found.risk})
    return {
        "step": step,
        "need": need.need,
        "risk": supposed.risk,
        "confidentiality": supposed.confidentiality or "public",
        "tokens": _TOKENS if supposed.tokens is None else supposed.tokens,
        "turns": 1,
        "intent": intent,
        "principal": _principal(spec, supposed.principal),
    }


def _principal(spec: WorkspaceSpec, name: str | None) -> dict[str, Any]:
    if name is None:
        return {"id": "anonymous", "roles": [], "groups": [], "tenant": None}
    for one in spec.principals.principals:
        if one.id == name:
            return one.model_dump(mode="json", include={"id", "roles", "groups", "tenant"})
    known = ", ".join(one.id for one in spec.principals.principals)
    raise ConfigError(f"there is no principal {name!r}", hint=f"principals.yaml has {known}")
