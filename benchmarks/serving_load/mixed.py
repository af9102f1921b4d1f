"""Mixed load while the server is restarted and killed: is a run lost, does a client miss an event?

Clients start runs of several kinds, follow them, go away in the middle and come back with the id of
the last event that they have. A reviewer decides what waits. All the while the server is stopped
and started again, now as an operator does it, now by SIGKILL. At the end each run that the server
ever said it had taken must have ended, and each client must hold exactly the events that somebody
gets who reads the run from its beginning.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from serving_load.client import Connection
from serving_load.idle import RUNS
from serving_load.served import Ours

__all__ = ["mixed_load"]

MESSAGES = (
    "Where is order 1042?",
    "How long do I have to return a lamp?",
    "Please refund order 1042",
    "What is the weather like in Rome?",
)
_FINAL = ("answered", "escalated", "refused", "failed", "cancelled")
_LOST = (OSError, EOFError, ValueError, asyncio.IncompleteReadError)
_PATIENCE = 180.0


@dataclass
class _Seen:
    """What one client holds of one run."""

    run: str
    ids: list[str] = field(default_factory=list)
    visits: int = 0


@dataclass
class _Load:
    ours: Ours
    dice: random.Random
    until: float
    runs: list[_Seen] = field(default_factory=list)
    restarts: int = 0
    kills: int = 0
    decisions: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


async def mixed_load(
    ours: Ours, seconds: float, clients: int, seed: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Put load on the server for so many seconds; return what was lost and missed."""
    load = _Load(ours, random.Random(seed), time.monotonic() + seconds)
    reviewer = asyncio.create_task(_review(load))
    restarter = asyncio.create_task(_restart(load, tell))
    await asyncio.gather(*(_client(load, n) for n in range(clients)))
    await restarter
    tell("all clients are done; reading every run from its beginning")
    lost, missed, doubled = await _audit(load)
    load.over.set()
    await reviewer
    return {
        "mixed_runs": len(load.runs),
        "restarts": load.restarts,
        "kills": load.kills,
        "decisions": load.decisions,
        "reconnects": sum(max(seen.visits - 1, 0) for seen in load.runs),
        "lost_runs": lost,
        "missed_events": missed,
        "doubled_events": doubled,
    }


async def _client(load: _Load, number: int) -> None:
    """Start runs and follow each to its end, with interruptions."""
    count = 0
    while time.monotonic() < load.until:
        count += 1
        text = load.dice.choice(MESSAGES)
        key = f"client-{number}-{count}"
        started = await _insist(load, lambda c, t=text, k=key: _started(c, t, k))
        seen = _Seen(run=started)
        load.runs.append(seen)
        await _followed(load, seen)


async def _started(connection: Connection, text: str, key: str) -> str:
    reply = await connection.ask("POST", RUNS, {"text": text}, {"Idempotency-Key": key})
    if reply.status not in (200, 201, 202):
        raise ValueError(f"not taken: {reply.status}")
    return str(reply.json()["id"])


async def _followed(load: _Load, seen: _Seen) -> None:
    """Follow a run until its end was seen, going away now and then."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        connection = Connection(load.ours.target("ana"))
        headers = {"Last-Event-ID": seen.ids[-1]} if seen.ids else {}
        stay = load.dice.randint(1, 12)
        seen.visits += 1
        try:
            path = f"{RUNS}/{seen.run}/events?until=end"
            async for id_, name, data in connection.events(path, headers):
                seen.ids.append(id_)
                if name == "run_ended" and _ended(data):
                    return
                stay -= 1
                if stay <= 0:
                    break
        except _LOST:
            await asyncio.sleep(0.2)
        finally:
            await connection.close()


def _ended(data: str) -> bool:
    return any(f'"status":"{status}"' in data.replace(" ", "") for status in _FINAL)


async def _review(load: _Load) -> None:
    """Reject what waits, so that the same refund can be asked for again."""
    while not load.over.is_set():
        try:
            connection = Connection(load.ours.target("li"))
            waiting = (await connection.ask("GET", "/api/v1/approvals")).json()["data"]
            for approval in waiting:
                answer = {"kind": "reject", "reason": "not today"}
                path = f"/api/v1/approvals/{approval['id']}/decision"
                done = await connection.ask("POST", path, answer)
                load.decisions += done.status < 300
            await connection.close()
        except _LOST:
            pass
        await asyncio.sleep(0.3)


async def _restart(load: _Load, tell: Callable[[str], None]) -> None:
    while time.monotonic() + 5 < load.until:
        await asyncio.sleep(load.dice.uniform(6, 14))
        kill = load.dice.random() < 0.5
        await load.ours.restart(kill)
        load.restarts += 1
        load.kills += kill
        left = max(load.until - time.monotonic(), 0)
        tell(f"{'killed' if kill else 'stopped'} and started again; {left:.0f} s left")


async def _insist(load: _Load, ask: Callable[[Connection], Awaitable[str]]) -> str:
    """Ask until there is an answer: with its key, a message that is sent again counts once."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        connection = Connection(load.ours.target("ana"))
        try:
            return await ask(connection)
        except _LOST:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        finally:
            await connection.close()


async def _audit(load: _Load) -> tuple[int, int, int]:
    """Return how many runs have no end, how many events clients lack, and how many came twice."""
    lost = missed = doubled = 0
    for seen in load.runs:
        whole = _Seen(run=seen.run)
        await _followed_whole(load, whole)
        connection = Connection(load.ours.target("ana"))
        status = (await connection.ask("GET", f"{RUNS}/{seen.run}")).json().get("status")
        await connection.close()
        lost += status not in _FINAL
        missed += len(set(whole.ids) - set(seen.ids))
        doubled += len(seen.ids) - len(set(seen.ids))
    return lost, missed, doubled


async def _followed_whole(load: _Load, seen: _Seen) -> None:
    connection = Connection(load.ours.target("ana"))
    try:
        path = f"{RUNS}/{seen.run}/events?until=end"
        async with asyncio.timeout(_PATIENCE):
            async for id_, _, _ in connection.events(path):
                seen.ids.append(id_)
    except (*_LOST, TimeoutError):
        pass
    finally:
        await connection.close()
