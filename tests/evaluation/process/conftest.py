"""A small log with known answers, and a trail of runs that ended in all ways."""

from datetime import UTC, datetime, timedelta

import pytest

from concertmaster.contracts import AuditEvent

T0 = datetime(2026, 9, 1, 8, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


class Trail:
    """Makes events of a trail, one after the other."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def add(self, seconds, type_, run="run-1", actor="supervisor", why="", **data):
        self.events.append(
            AuditEvent(
                id=f"evt-{len(self.events)}",
                seq=len(self.events) + 1,
                time=at(seconds).isoformat(timespec="microseconds").replace("+00:00", "Z"),
                type=type_,
                workspace="desk",
                thread=f"t-{run}",
                run=run,
                actor=actor,
                on_behalf_of="ana",
                why=why,
                data=data,
            )
        )
        return self

    def hop(self, seconds, to, route, run="run-1", why=""):
        return self.add(seconds, "route.hop", run=run, why=why, to=to, route=route)


@pytest.fixture
def trail():
    return Trail()


@pytest.fixture
def reviewed(trail):
    """A run that waits 100 s for a person within a step of 110 s, and costs 0.5."""
    trail.add(0, "run.received", actor="orchestrator")
    trail.add(2, "run.started", actor="orchestrator")
    trail.hop(2, "executor", 0)
    trail.add(3, "model.called", actor="executor", cost=0.25)
    trail.add(4, "model.failed", actor="executor")
    trail.add(5, "model.called", actor="executor", cost=0.25)
    trail.add(6, "approval.requested", actor="concertmaster", approval="apr-1")
    trail.add(106, "approval.answered", actor="li", approval="apr-1", status="approved")
    trail.add(110, "policy.decided", actor="act", call="sha256:1", decision="review")
    trail.add(110, "effect.intended", actor="ledger", call="sha256:1", attempt=1, tool="refund")
    trail.hop(112, "responder", 1)
    trail.add(113, "critic.judged", actor="responder", status="revise")
    trail.hop(114, "responder", 1)
    trail.hop(117, "finish", 2)
    trail.add(117, "run.ended", actor="finish", status="answered")
    return trail


LINES = """case,activity,time
c1,a,2026-09-01 08:00:00
c1,b,2026-09-01 08:00:10
c1,c,2026-09-01 08:00:40
c2,a,2026-09-01 09:00:00
c2,b,2026-09-01 09:00:20
c2,b,2026-09-01 09:00:50
c2,c,2026-09-01 09:01:00
c3,a,2026-09-02 08:00:00
c3,c,2026-09-02 08:02:00
"""


@pytest.fixture
def csv_file(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text(LINES)
    return file
