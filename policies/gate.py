"""The one gate that every call passes, before it is shown to people and again before it runs."""

from __future__ import annotations

from collections.abc import Mapping

from concertmaster.contracts import Decision, Deny, Provenance, Review, ReviewNeed, ToolShape
from concertmaster.policies.call import Call
from concertmaster.policies.deadlines import strictest
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.obligations import merge_needs
from concertmaster.policies.provenance import trace

__all__ = ["Call", "Gate"]


class Gate:
    """Decides calls: the tool is known, the step may use it, the policies permit it.

    Where each value of the call comes from is computed here, from the sources given with the
    call, so that no caller can claim an origin.

    >>> from concertmaster.contracts import Principal
    >>> from concertmaster.contracts.spec import ReviewSpec
    >>> shapes = {"get_order": ToolShape(name="get_order", effect="read")}
    >>> gate = Gate(PolicyEngine.load(None, shapes), shapes, "desk")
    >>> call = Call(tool="get_order", arguments={}, principal=Principal(id="ana"),
    ...             step="executor", allowed=("get_order",), review=ReviewSpec())
    >>> gate.decide(call).reasons
    ('no policy permits this call of get_order',)
    """

    def __init__(
        self, engine: PolicyEngine, shapes: Mapping[str, ToolShape], workspace: str
    ) -> None:
        self._engine = engine
        self._shapes = dict(shapes)
        self._workspace = workspace

    @property
    def bundle(self) -> str:
        """The digest of the policies that decide here."""
        return self._engine.bundle

    def reviewing_roles(self) -> frozenset[str]:
        """Return the roles that some policy asks to decide."""
        return self._engine.reviewing_roles()

    def decide(self, call: Call) -> Decision:
        """Return whether a call may run, must be reviewed, or must not run.

        Never raises: whatever cannot be decided is denied. The same call, facts and principal
        get the same decision for as long as the bundle is the same. `call` of the decision is
        empty if the arguments are not plain JSON, and so have no digest.
        """
        try:
            digest = call.digest()
        except Exception:
            return self._deny("", "the arguments are not plain JSON")
        try:
            return self._decide(call, digest)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            # A panic of the engine is a BaseException, too, and no reason to let a call through.
            return self._deny(digest, f"the call could not be decided ({type(error).__name__})")

    def _decide(self, call: Call, digest: str) -> Decision:
        shape = self._shapes.get(call.tool)
        if shape is None:
            return self._deny(digest, f"there is no tool {call.tool[:80]!r}")
        if call.tool not in frozenset(call.allowed):
            return self._deny(digest, f"the step {call.step} may not use {call.tool}")
        if call.facts_error is not None:
            why = f"the facts that decide about {call.tool} could not be had: {call.facts_error}"
            return self._deny(digest, why)
        provenance = self._origins(shape, call)
        decision = self._engine.decide(call, provenance, self._workspace, digest=digest)
        if call.review.mode == "always" and shape.consequential:
            decision = self._reviewed(decision, call)
        if not isinstance(decision, Review):
            return decision
        due = strictest((decision.deadline, call.review.term))
        return decision.model_copy(update={"deadline": due})

    def _origins(self, shape: ToolShape, call: Call) -> Provenance:
        """Return where the values of a call come from; a what-if takes them as they were found."""
        return trace(shape, call.arguments, call.sources, offered=call.offered)

    def _reviewed(self, decision: Decision, call: Call) -> Decision:
        """Add the step's own review to what the policies ask for."""
        if isinstance(decision, Deny):
            return decision
        if not call.review.roles:
            why = f"the step {call.step} asks for a review and names no role for it"
            return self._deny(decision.call, why)
        asked = decision.needs if isinstance(decision, Review) else ()
        own = (ReviewNeed(role=role) for role in call.review.roles)
        return Review(
            call=decision.call,
            policies=decision.policies,
            reasons=(*decision.reasons, f"the step {call.step} has every such call reviewed"),
            bundle=decision.bundle,
            needs=merge_needs((*asked, *own)),
            deadline=decision.deadline if isinstance(decision, Review) else None,
            duties=decision.duties,
            provenance=decision.provenance,
        )

    def _deny(self, digest: str, why: str) -> Decision:
        return Deny(call=digest, reasons=(why,), bundle=self._engine.bundle)
