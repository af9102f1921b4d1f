"""Traces of runs, where somebody turned LangSmith on: without personal data and credentials."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from concertmaster.policies.redaction import Redactor

if TYPE_CHECKING:
    from langsmith import Client

__all__ = ["Traces"]


class Traces:
    """Redacts what is traced of the runs of one workspace. Nothing is traced unless asked for."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    @contextlib.contextmanager
    def redacted(self) -> Iterator[None]:
        """Have what is traced inside go through the redactor first."""
        from langsmith import tracing_context
        from langsmith.utils import tracing_is_enabled

        if not tracing_is_enabled():
            yield
            return
        with tracing_context(client=self._client, enabled=True):
            yield

    @cached_property
    def _client(self) -> Client:
        from langsmith import Client

        return Client(anonymizer=self._redactor.clean)
