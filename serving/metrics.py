"""`/metrics`: figures of all workflows for Prometheus, for those whom the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response

from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.caller import host_of, signed_in
from concertmaster.serving.problems import answer_problem
from concertmaster.telemetry.attaching import Guarded
from concertmaster.telemetry.facts import Names
from concertmaster.telemetry.measures import Measures
from concertmaster.telemetry.pending import TOLD, pending
from concertmaster.telemetry.tally import CONTENT_TYPE, Tally

__all__ = ["Metrics", "router"]

router = APIRouter(include_in_schema=False)

EVERYBODY = "*"


class Metrics:
    """The figures of one server since it started."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._guarded = Guarded()
        self._desks: list[Desk] = []

    def watch(self, desk: Desk) -> None:
        """Count what happens on a desk from now on."""
        self._desks.append(desk)
        measures = Measures(Names.of(desk), self._tally)
        desk.services.trail.on(self._guarded(measures.event))

    def text(self) -> str:
        """Return all figures; what waits is counted now, so this reads the stores."""
        waiting: dict[tuple[tuple[str, str], ...], float] = {}
        for desk in self._desks:
            count = pending(desk.database, desk.name)
            if count is not None:
                waiting[("workflow", desk.name),] = count
        gauges: Mapping[str, tuple[str, Mapping[tuple[tuple[str, str], ...], float]]]
        gauges = {"concertmaster_approvals_pending": (TOLD, waiting)}
        return self._tally.text(gauges)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the figures of this server, of all its workflows and tenants together."""
    roles = host_of(request).settings.metrics_roles
    if EVERYBODY not in roles:
        principal = await signed_in(request)
        if principal.tenant is not None or not set(roles) & set(principal.roles):
            return answer_problem(
                request.url.path,
                403,
                "the figures of this server are not for this caller",
                hint="`metrics_roles:` in its settings names the roles; they hold without a tenant",
            )
    found: Metrics = request.app.state.metrics
    return Response(await asyncio.to_thread(found.text), media_type=CONTENT_TYPE)
