"""Cedar's answer for one call, with its reasons and duties. Anything but a clear yes denies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.contracts import (
    Allow,
    Deadline,
    Decision,
    Deny,
    Duty,
    Principal,
    Provenance,
    Review,
    ReviewNeed,
    ToolShape,
    digest,
)
from concertmaster.errors import PolicyError
from concertmaster.policies.bundle import Policy, read_bundle
from concertmaster.policies.call import Call
from concertmaster.policies.context import context_of
from concertmaster.policies.deadlines import strictest
from concertmaster.policies.lowering import NotLowered
from concertmaster.policies.narrowing import View, view_of
from concertmaster.policies.obligations import merge_duties, merge_needs, parse_obligation
from concertmaster.policies.schema import vocabulary

if TYPE_CHECKING:
    from cedarpy import AuthzResult, Entities, PolicySet

__all__ = ["PolicyEngine"]

_REMEMBERED_PRINCIPALS = 1024


class PolicyEngine:
    """A checked set of policies over a fixed set of tools; decisions are pure.

    Policies are parsed once and sliced by tool. `bundle` is the digest of all policy texts and
    of the schema they are read against: the same bundle decides the same.
    """

    def __init__(self, policies: Sequence[Policy], shapes: Mapping[str, ToolShape]) -> None:
        """Take policies as they are; `load` is the way in that checks them."""
        import cedarpy

        self.policies = tuple(policies)
        self._cedar = cedarpy
        self._words = vocabulary(shapes)
        schema = self._words.cedar_schema()
        self._schema = cedarpy.Schema.from_json_str(json.dumps(schema))
        self._views = {
            tool: view_of(schema, tool, (p.text for p in self.governing(tool))) for tool in shapes
        }
        self._shapes = dict(shapes)
        self._tools = {name: _tool_entity(name, shape) for name, shape in shapes.items()}
        self._slices = self._sliced()
        self.bundle = digest({"policies": [p.text for p in self.policies], "schema": schema})
        self._entities = lru_cache(_REMEMBERED_PRINCIPALS)(self._make_entities)

    @classmethod
    def load(cls, folder: Path | None, shapes: Mapping[str, ToolShape]) -> PolicyEngine:
        """Read and check every `*.cedar` file of a folder; without one, everything is denied.

        Raises:
            PolicyError: one or more policies have problems; the message lists all of them.
        """
        found = read_bundle(folder, shapes)
        if found.problems:
            listed = "\n".join(f"  {problem}" for problem in found.problems)
            count = len(found.problems)
            raise PolicyError(
                f"{folder}: {count} problem{'s' if count > 1 else ''} in the policies\n{listed}",
                hint="put them right; nothing is decided by policies that are not sound",
            )
        return cls(found.policies, shapes)

    def reviewing_roles(self) -> frozenset[str]:
        """Return the roles that some policy asks to decide, in time or after a deadline."""
        duties = [parse_obligation(text) for p in self.policies for text in p.obligations]
        needed = {duty.role for duty in duties if isinstance(duty, ReviewNeed)}
        late = {duty.role for duty in duties if isinstance(duty, Deadline) and duty.role}
        return frozenset(needed | late)

    def governing(self, tool: str) -> tuple[Policy, ...]:
        """Return the policies to which calls of this tool are put."""
        return tuple(p for p in self.policies if p.governs(tool))

    def decide(
        self, call: Call, provenance: Provenance, workspace: str, *, digest: str
    ) -> Decision:
        """Return Cedar's decision for a call, whose digest goes into it.

        It may raise: the gate, through which every call goes, turns that into a denial.
        """
        about = {"call": digest, "bundle": self.bundle, "provenance": provenance}
        shape = self._shapes.get(call.tool)
        if shape is None:
            return Deny(**about, reasons=(f"the policies know no tool {call.tool!r}",))
        policies, parsed = self._slices[call.tool]
        try:
            view = self._views[call.tool]
            result = self.ask(call, provenance, workspace, parsed, view=view)
        except NotLowered as error:
            return Deny(**about, reasons=(f"the call cannot be put to the policies: {error}",))
        return _decided(result, policies, call.tool, about)

    def ask(
        self,
        call: Call,
        provenance: Provenance,
        workspace: str,
        parsed: PolicySet,
        *,
        view: View | None = None,
    ) -> AuthzResult:
        """Return Cedar's bare answer to any parsed policies; it decides nothing.

        `view` is what these policies read; without one they see everything, which costs time.

        Raises:
            NotLowered: the call cannot be put to policies.
            KeyError: there is no such tool.
        """
        shape = self._shapes[call.tool]
        context = context_of(call, provenance, shape, self._words, workspace)
        if view is not None:
            context = view.shown(context)
        return self._cedar.is_authorized(
            {
                "principal": {"type": "User", "id": call.principal.id},
                "action": {"type": "Action", "id": call.tool},
                "resource": {"type": "Tool", "id": call.tool},
                "context": context,
            },
            parsed,
            self._entities(call.principal, call.tool),
            view.schema if view is not None else self._schema,
        )

    def _sliced(self) -> dict[str, tuple[tuple[Policy, ...], PolicySet]]:
        """Return each tool's policies, parsed; tools with the same ones share the handle."""
        parsed: dict[tuple[Policy, ...], PolicySet] = {}
        slices = {}
        for tool in self._tools:
            policies = self.governing(tool)
            if policies not in parsed:
                text = "\n".join(p.text for p in policies)
                parsed[policies] = self._cedar.PolicySet.from_str(text)
                if len(parsed[policies]) != len(policies):
                    raise PolicyError("a policy's text holds more than one statement")
            slices[tool] = (policies, parsed[policies])
        return slices

    def _make_entities(self, principal: Principal, tool: str) -> Entities:
        entities = json.dumps([_user_entity(principal), self._tools[tool]])
        return self._cedar.Entities.from_json_str(entities, self._schema)


def _user_entity(principal: Principal) -> dict[str, Any]:
    known = {name: getattr(principal, name) for name in ("name", "tenant")}
    attributes: dict[str, Any] = {
        "id": principal.id,
        "authenticated": principal.authenticated,
        "roles": list(principal.roles),
        "groups": list(principal.groups),
        **{name: value for name, value in known.items() if value is not None},
    }
    return {"uid": {"type": "User", "id": principal.id}, "attrs": attributes, "parents": []}


def _tool_entity(name: str, shape: ToolShape) -> dict[str, Any]:
    attributes = {
        "effect": shape.effect,
        "consequential": shape.consequential,
        "clearance": shape.clearance.name,
    }
    return {"uid": {"type": "Tool", "id": name}, "attrs": attributes, "parents": []}


def _decided(
    result: AuthzResult, policies: tuple[Policy, ...], tool: str, about: dict[str, Any]
) -> Decision:
    answer, errors = result.decision.name, result.diagnostics.errors
    if errors or answer not in ("Allow", "Deny"):
        # A forbid that fails is skipped by Cedar, which would permit what it forbids.
        return _failed(errors, policies, about)
    determining = _at(result.diagnostics.reasons, policies)
    ids = tuple(policy.id for policy in determining)
    if answer == "Deny":
        none = (f"no policy permits this call of {tool}",)
        reasons = _sentences(determining) or none
        return Deny(**about, policies=ids, reasons=reasons)
    if not determining or any(policy.effect != "permit" for policy in determining):
        return Deny(**about, policies=ids, reasons=("the policies gave no clear answer",))
    needs: list[ReviewNeed] = []
    duties: list[Duty] = []
    terms: list[Deadline] = []
    for policy in determining:
        for text in policy.obligations:
            stated = parse_obligation(text)
            if stated is None:
                reason = f"the policy {policy.id} asks for a duty that nobody understands"
                return Deny(**about, policies=ids, reasons=(reason,))
            if isinstance(stated, ReviewNeed):
                needs.append(stated)
            elif isinstance(stated, Deadline):
                terms.append(stated)
            else:
                duties.append(stated)
    if terms and not needs:
        reason = "a policy sets a deadline for a review that no policy asks for"
        return Deny(**about, policies=ids, reasons=(reason,))
    about |= {"policies": ids, "reasons": _sentences(determining), "duties": merge_duties(duties)}
    if not needs:
        return Allow(**about)
    return Review(**about, needs=merge_needs(needs), deadline=strictest(terms))


def _failed(errors: Sequence[str], policies: tuple[Policy, ...], about: dict[str, Any]) -> Deny:
    # Cedar's words hold the values of the call, so they are not passed on.
    failing = _at([f"policy{n}" for e in errors for n in re.findall(r"`policy(\d+)`", e)], policies)
    why = "an integer overflowed" if any("overflow" in error for error in errors) else "an error"
    reasons = tuple(f"the policy {p.id} could not be evaluated: {why}" for p in failing)
    return Deny(
        **about,
        policies=tuple(policy.id for policy in failing),
        reasons=reasons or ("the call could not be put to the policies",),
    )


def _sentences(policies: tuple[Policy, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(policy.sentence for policy in policies))


def _at(names: Sequence[str], policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    """Return the policies that Cedar calls `policy0`, `policy1`…, in their own order."""
    return tuple(policies[n] for n in sorted({int(name.removeprefix("policy")) for name in names}))
