"""Traces of runs, where somebody turned LangSmith on: without personal data and credentials.

Each segment of a run is one trace. Its root tells what people look for: the workflow, the versions
of its graph and policies, the intent, the outcome, the approvals and the cost.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from concertmaster.agents.task import Services
from concertmaster.contracts import RunRecord, Turn, digest

if TYPE_CHECKING:
    from langsmith import Client
    from langsmith.run_trees import RunTree
    from urllib3 import Retry

__all__ = ["Traced", "Traces", "lost_traces", "trace_id"]

_LOG = logging.getLogger("concertmaster.tracing")
_TIMEOUT = (3_000, 10_000)
"""Milliseconds to connect and to be answered: what a process waits for at its end at most."""

_lost: Counter[str] = Counter()
_counting = threading.Lock()


def lost_traces() -> Mapping[str, int]:
    """Return how many batches of traces this process could not deliver, by what went wrong.

    A trace that is lost changes nothing of its run.
    """
    with _counting:
        return dict(_lost)


def _count_lost(error: Exception) -> None:
    name = type(error).__name__
    with _counting:
        _lost[name] += 1
        count = _lost[name]
    if count & (count - 1) == 0:
        # At 1, 2, 4, 8, …: an outage of hours fills no log.
        _LOG.warning("traces were not delivered (%s), %d times so far; runs go on", name, count)


def trace_id(record: RunRecord) -> uuid.UUID:
    """Return the id under which a run's first segment is traced (a UUID of version 7).

    It follows from the run alone, so that feedback finds the trace later, from any process.
    """
    moment = int(datetime.fromisoformat(record.created).timestamp() * 1000)
    noise = int.from_bytes(hashlib.sha256(record.id.encode()).digest()[:10], "big")
    value = (moment & (2**48 - 1)) << 80 | noise & (2**80 - 1)
    value = value & ~(0xF << 76) | 7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


class Traced:
    """One segment while it is traced; nothing at all where nobody asked for traces."""

    def __init__(self, services: Services, record: RunRecord, root: RunTree | None) -> None:
        self._services = services
        self._record = record
        self._root = root

    async def rest(self, turn: Turn | None, *, waits: bool) -> None:
        """Note on the trace's root how the segment came to rest."""
        if self._root is None:
            return
        try:
            await self._tell(self._root, turn, waits=waits)
        except Exception as error:  # As above: a run does not end for its trace.
            _count_lost(error)

    async def _tell(self, root: RunTree, turn: Turn | None, *, waits: bool) -> None:
        asked = await self._services.approvals.list(run=self._record.id)
        outcome = turn.outcome if turn else None
        status = "awaiting_review" if waits else outcome.status if outcome else "failed"
        told: dict[str, Any] = {
            "outcome": status,
            "owner": outcome.owner if outcome and not waits else None,
            "approvals": [approval.id for approval in asked],
            "decisions": [approval.status for approval in asked],
        }
        if turn is not None:
            told["intent"] = _intent(turn)
            told["cost_usd"] = turn.usage.cost
            told["model_calls"] = turn.usage.model_calls
            told["input_tokens"] = turn.usage.input_tokens
            told["output_tokens"] = turn.usage.output_tokens
        root.add_metadata({k: v for k, v in told.items() if v is not None})
        root.add_tags([f"outcome:{status}"])
        text = outcome.text if outcome and not waits else ""
        root.end(outputs={"status": status, "text": text})


class Traces:
    """Traces the segments of one workspace's runs, redacted. Nothing is traced unless asked for."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clients: dict[tuple[str, str | None], Client] = {}

    @cached_property
    def labels(self) -> dict[str, str]:
        """What every trace tells of the workflow: its name, and the versions of what decides."""
        return {
            "workflow": self._services.name,
            "policies": self._services.gate.bundle,
            "graph": digest(self._services.spec.model_dump(mode="json")),
        }

    @contextlib.contextmanager
    def segment(self, record: RunRecord, *, resumed: bool) -> Iterator[Traced]:
        """Trace what happens inside, if the environment or a surrounding trace asks for it.

        Args:
            record: the run.
            resumed: whether it is taken up again, rather than begun.
        """
        from langsmith import tracing_context
        from langsmith.utils import tracing_is_enabled

        wanted = tracing_is_enabled()
        with contextlib.ExitStack() as stack:
            root = None
            if wanted is True:
                try:
                    root = stack.enter_context(self._root(record, resumed=resumed))
                except Exception as error:  # Whatever is wrong with tracing, the run goes on.
                    _count_lost(error)
            if wanted and root is None:
                # Nothing that would not be redacted: LangChain's own tracer sends to whatever is
                # configured, even in an evaluation that uploads nothing ("local").
                stack.enter_context(tracing_context(enabled=False))
            yield Traced(self._services, record, root)

    @contextlib.contextmanager
    def _root(self, record: RunRecord, *, resumed: bool) -> Iterator[RunTree | None]:
        """Begin the trace of a segment; None where a surrounding client samples nothing."""
        from langsmith import trace, tracing_context
        from langsmith.run_helpers import get_current_run_tree, get_tracing_context

        around, parent = get_tracing_context(), get_current_run_tree()
        like = around.get("client") or (parent.ls_client if parent else None)
        if like is not None and like.tracing_sample_rate == 0:
            yield None
            return
        client = self._redacting(like)
        project = around.get("project_name") or (parent.session_name if parent else None)
        with (
            tracing_context(client=client, enabled=True, project_name=project, parent=parent),
            trace(
                record.workspace,
                inputs={"resumed": True} if resumed else {"message": record.text},
                client=client,
                project_name=project,
                parent=parent,
                run_id=None if resumed or record.attempts else trace_id(record),
                tags=["concertmaster", self._services.name],
                metadata={
                    **self.labels,
                    "thread_id": record.thread,
                    "concertmaster_run": record.id,
                    "segment": "resumed" if resumed else "begun",
                },
            ) as root,
        ):
            yield root

    def _redacting(self, like: Client | None) -> Client:
        """Return a client that redacts, for the same service as another one, or as configured."""
        from langsmith import Client

        place = (like.api_url, like.api_key) if like is not None else ("", None)
        if place not in self._clients:
            clean = self._services.redaction.told.clean
            self._clients[place] = Client(
                api_url=like.api_url if like is not None else None,
                api_key=like.api_key if like is not None else None,
                anonymizer=clean,
                tracing_sampling_rate=like.tracing_sample_rate if like is not None else None,
                tracing_error_callback=_count_lost,
                timeout_ms=_TIMEOUT,
                retry_config=_retries(),
            )
        return self._clients[place]

    def flush(self, seconds: float | None = None) -> None:
        """Wait until what is traced was sent, at most so many seconds; for tests and scripts."""
        for client in self._clients.values():
            client.flush(timeout=seconds)

    def close(self, seconds: float | None = None) -> None:
        """Wait like `flush`, and let go of the connections."""
        while self._clients:
            _, client = self._clients.popitem()
            client.close(timeout=seconds)


def _retries() -> Retry:
    """Return how traces are sent again: not at all to a service that is not there.

    The client's own way takes 13 seconds for one, for which a process would wait at its end.
    """
    from urllib3 import Retry

    return Retry(
        total=2,
        connect=0,
        backoff_factor=0.5,
        status_forcelist=(408, 425, 429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
        raise_on_redirect=False,
    )


def _intent(turn: Turn) -> str | None:
    if turn.intent is None:
        return None
    return turn.intent.name or ("out_of_scope" if not turn.intent.in_scope else None)
