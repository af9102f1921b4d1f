"""How a server behaves: limits, conflicts, origins. Everything has a safe default."""

from __future__ import annotations

import difflib
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, field_validator

from concertmaster.contracts.base import Record
from concertmaster.errors import ConfigError
from concertmaster.orchestrator.background import Conflict
from concertmaster.serving.identity.settings import IdentitySettings

__all__ = ["Limits", "Settings", "read_settings"]


class Limits(Record):
    """What one server takes on.

    `body` is in bytes. `requests` are per principal and minute. `runs` are under way at once in
    the whole server, `runs_each` and `streams_each` of one principal. `reading` is the seconds in
    which a request's body has to arrive, `waiting` those for which a request without a stream
    waits for its run.
    """

    body: int = Field(default=256 * 1024, ge=1024, le=64 * 1024 * 1024)
    requests: float = Field(default=600, gt=0)
    runs: int = Field(default=1000, ge=1)
    runs_each: int = Field(default=50, ge=1)
    streams_each: int = Field(default=100, ge=1)
    reading: float = Field(default=15, gt=0)
    waiting: float = Field(default=300, gt=0)


class Settings(Record):
    """What a server's settings file may hold.

    `conflict` says what becomes of a message to a thread on which a run has not ended yet.
    `origins` may call it from a browser; none by default. `drain` is the seconds for which it
    waits for runs when it stops. `docs` shows the OpenAPI description to everybody, `console`
    has the pages for reviewers. `sweep` is how often deadlines are looked at, in seconds.
    `metrics` has figures for Prometheus at /metrics, for the `metrics_roles`, `*` for everybody.
    `otel` sends traces and metrics by OTLP, with content if `otel_content` is set; `log_json` logs
    what happens in runs.
    """

    title: str = Field(default="Concertmaster", max_length=200)
    conflict: Conflict = "queue"
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    drain: float = Field(default=20, ge=0, le=3600)
    sweep: float = Field(default=30, ge=1, le=3600)
    docs: bool = True
    console: bool = True
    mcp: bool = False
    metrics: bool = False
    metrics_roles: tuple[str, ...] = Field(default=("metrics",), min_length=1)
    otel: bool = False
    otel_content: bool = False
    log_json: bool = False
    limits: Limits = Limits()
    identity: IdentitySettings = IdentitySettings()

    @field_validator("origins")
    @classmethod
    def _no_stars(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if "*" in origin or not origin.startswith(("https://", "http://")):
                raise ValueError(
                    f"{origin!r} is no origin; write https://host:port, without a star"
                )
        return origins


def read_settings(path: Path | None) -> Settings:
    """Read a settings file in YAML; the defaults without one.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    if path is None:
        return Settings()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Settings.model_validate(content or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path} cannot be read as settings ({type(error).__name__})",
            hint="it is YAML, with keys such as `conflict:` and `limits:`",
        ) from None
    except ValidationError as error:
        listed = "; ".join(_told(e["type"], e["loc"], e["msg"]) for e in error.errors()[:5])
        raise ConfigError(f"{path}: {listed}", hint="docs/how-to/serve.md lists the keys") from None


def _told(kind: str, where: tuple[int | str, ...], message: str) -> str:
    """Say what is wrong with one key, and which one may have been meant."""
    place = ".".join(map(str, where)) or "file"
    if kind != "extra_forbidden":
        return f"{place}: {message[:1].lower()}{message[1:]}"
    known = [*Settings.model_fields, *Limits.model_fields]
    near = difflib.get_close_matches(str(where[-1]), known, 1)
    return f"{place}: there is no such key" + (f"; is {near[0]!r} meant?" if near else "")
