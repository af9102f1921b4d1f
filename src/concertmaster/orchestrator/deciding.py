"""Answers of people to approvals: who may give them, and what takes effect before they count."""

from __future__ import annotations

from concertmaster.agents.task import Services
from concertmaster.contracts import Answer, Approval, Principal
from concertmaster.errors import ApprovalUnknown
from concertmaster.orchestrator.home import Home
from concertmaster.orchestrator.lifecycle import Lifecycle
from concertmaster.orchestrator.people import People
from concertmaster.orchestrator.receiving import check_answer, redacted_answer
from concertmaster.orchestrator.runs import Runs
from concertmaster.policies.approvals import unknown_approval

__all__ = ["Deciding"]


class Deciding:
    """Takes answers, claims and releases for the approvals of a home.

    Deadlines that are over on the approval's thread take effect first, so that nobody answers what
    is not to be answered any more. For another tenant the approval does not exist.
    """

    def __init__(
        self, *, home: Home, services: Services, people: People, runs: Runs, life: Lifecycle
    ) -> None:
        self._home = home
        self._services = services
        self._people = people
        self._runs = runs
        self._life = life

    async def answer(self, approval: str, answer: Answer, principal: Principal | str) -> Approval:
        """Store a person's answer, without personal data; the run does not go on by it.

        Raises:
            UnknownPrincipal: nobody here knows this person.
            ApprovalUnknown, ApprovalStale, ApprovalForbidden: the answer was refused.
            ApprovalError: it is no answer, too large, or a response without words.
        """
        who = self._admitted(approval, principal)
        check_answer(answer, self._services.spec.workflow.limits.message)
        clean = redacted_answer(answer, self._services.redaction.stored)
        async with self._home.busy():
            await self._on_time(approval, who)
            return await self._services.approvals.decide(approval, clean, who)

    async def claim(self, approval: str, principal: Principal | str, seconds: float) -> Approval:
        """Keep an approval for a person, for so many seconds. Raises as `Desk.claim` does."""
        who = self._admitted(approval, principal)
        async with self._home.busy():
            await self._on_time(approval, who)
            return await self._services.approvals.claim(approval, who, seconds=seconds)

    async def release(self, approval: str, principal: Principal | str) -> Approval:
        """Let go of a person's claim. Raises as `Desk.release` does."""
        who = self._admitted(approval, principal)
        async with self._home.busy():
            await self._on_time(approval, who)
            return await self._services.approvals.release(approval, who)

    def _admitted(self, approval: object, principal: Principal | str) -> Principal:
        who = self._people.admit(principal)
        if not isinstance(approval, str) or not approval.isprintable():
            raise ApprovalUnknown("there is no such approval here", hint="give the id of one")
        return who

    async def _on_time(self, approval: str, who: Principal) -> None:
        """Let what is over take effect on the thread of an approval before it is answered.

        Raises:
            ApprovalUnknown: there is none of this id, or it is another tenant's.
        """
        there = await self._services.approvals.get(approval)
        asked = await self._runs.get(there.run)
        if asked.principal.tenant != who.tenant:
            raise unknown_approval(approval)
        await self._life.lapse(there.thread)
