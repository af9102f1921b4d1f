"""What a workflow says of one step: owner, model, review, retries, measure of success."""

from __future__ import annotations

from typing import Any, Literal, Self, get_args

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from concertmaster.contracts.context import ContextSpec
from concertmaster.contracts.deadline import AtDeadline, Deadline
from concertmaster.contracts.model import Ability, Clearance, Preference, Tier
from concertmaster.contracts.written import Name, Seconds, Span, Spec

__all__ = ["Metric", "ModelNeed", "OwnerSpec", "RetrySpec", "ReviewSpec", "StepSpec"]


class Metric(Spec):
    """What success means, as a share (0 to 1) to reach."""

    name: Name
    target: float = Field(ge=0, le=1)


class OwnerSpec(Spec):
    """A named owner: the role whose people answer for it, and how to reach them."""

    role: Name
    contact: str = Field(min_length=1)


class ModelNeed(Spec):
    """What a step needs of a model.

    `need` is the capability, `tier` the least quality, `clearance` the data that it may see at
    least. `regions` are the only ones where the data may go (none named: anywhere), `context` the
    fewest tokens it must hold, `output` how many it is expected to write. Among models that fit,
    `prefer` weighs cost, latency or quality; a `sticky` step stays with the thread's model.
    """

    need: Ability
    tier: Tier = "capable"
    clearance: Clearance = "internal"
    regions: tuple[Name, ...] = ()
    context: int = Field(default=0, ge=0)
    output: int = Field(default=500, ge=1)
    prefer: Preference = "cost"
    sticky: bool = False


class ReviewSpec(Spec):
    """When people look: never, as policies say, or before every consequential call.

    They have until `deadline` (`4h`, `3d`). Then the call is rejected, or, with
    `at_deadline: escalate:ROLE`, somebody with that role decides instead, with as much time again.
    """

    mode: Literal["none", "policy", "always"] = "policy"
    roles: tuple[Name, ...] = ()
    waiver: str | None = None
    deadline: Span | None = None
    at_deadline: AtDeadline | None = None

    @property
    def term(self) -> Deadline | None:
        """The deadline with its consequence, None if people have all the time in the world."""
        if self.deadline is None:
            return None
        return Deadline(seconds=self.deadline, then=self.at_deadline or "reject")

    @model_validator(mode="after")
    def _consequence_has_deadline(self) -> Self:
        if self.at_deadline is not None and self.deadline is None:
            raise ValueError("'at_deadline' needs a 'deadline', such as 4h")
        if self.deadline is not None and self.mode == "none":
            raise ValueError("where nobody looks ('mode: none') there is no 'deadline'")
        return self

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell editors of the short form as well."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        long = {k: schema.pop(k) for k in ("type", "properties", "additionalProperties")}
        schema["anyOf"] = [{"enum": list(get_args(cls.model_fields["mode"].annotation))}, long]
        return reference


class RetrySpec(Spec):
    """How often a step is tried in all, and the first pause; pauses double."""

    attempts: int = Field(default=1, ge=1, le=10)
    pause: Seconds = 0.1


class StepSpec(Spec):
    """One step of a workflow, with everything that the readiness gate asks for.

    `model` is `none` when the step works without one. `permission` names the policy file that
    governs its tools, or `none`. `fallback` is another step, `escalate` or `refuse`. `context`
    replaces the workflow's rules for what the step's prompts hold. `predictor` is the need by which
    an intent classifier or a critic asks a predictor of `models.yaml` first.
    """

    id: Name
    agent: str
    owner: Name | None = None
    purpose: str = ""
    input: tuple[str, ...] | None = None
    model: ModelNeed | Literal["none"] | None = None
    tools: tuple[Name, ...] | None = None
    permission: str | None = None
    review: ReviewSpec | None = None
    success_metric: Metric | None = None
    timeout: Seconds | None = None
    retry: RetrySpec | None = None
    fallback: str | None = None
    playbook: Name | None = None
    context: ContextSpec | None = None
    predictor: Name | None = None
