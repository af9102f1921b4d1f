"""The description of a workspace: what `workflow.yaml` and its neighbours say, as types.

Every model forbids unknown keys, so that a typing mistake is found and not ignored. The same
models can be built in Python. Loading and checking live in `concertmaster.graphs`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from concertmaster.contracts.deadline import AtDeadline, Deadline
from concertmaster.contracts.principal import EVERYONE, Principal

__all__ = [
    "AGENT_KINDS",
    "TERMINALS",
    "AccessRule",
    "BusinessRule",
    "CallSpec",
    "IntentSpec",
    "IntentsFile",
    "KnowledgeSpec",
    "Limits",
    "Metric",
    "ModelNeed",
    "Name",
    "OwnerSpec",
    "PlaybookSpec",
    "PlaybooksFile",
    "PrincipalsFile",
    "RedactionSpec",
    "ReplySpec",
    "RetrySpec",
    "ReviewSpec",
    "RouteSpec",
    "SlotSpec",
    "StepSpec",
    "WorkflowSpec",
    "WorkspaceSpec",
]

AGENT_KINDS = ("intent_classifier", "retriever", "executor", "critic", "responder")
"""The built-in agents a step can name; anything else is `module:function` of the workspace."""

TERMINALS = ("finish", "escalate", "refuse")
"""Where a route can end a run."""


def _name(value: str) -> str:
    if not value or not all(c.isascii() and (c.isalnum() or c in "_-") for c in value):
        raise ValueError("a name consists of ASCII letters, digits, '_' and '-'")
    return value


def _seconds(value: object) -> object:
    """Read `20s`, `500ms`, `2m`, `4h`, `3d`, or a number of seconds."""
    if isinstance(value, str):
        text = value.strip().lower()
        for suffix, factor in (
            ("ms", 0.001),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
            ("d", 86400.0),
        ):
            if text.endswith(suffix):
                try:
                    return float(text[: -len(suffix)]) * factor
                except ValueError:
                    break
        raise ValueError(f"{value!r} is no duration; write 500ms, 20s, 2m or 1h")
    return value


Name = Annotated[str, AfterValidator(_name)]
_Number = Annotated[float, Field(gt=0, le=86400)]
_Written = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$")]
Seconds = Annotated[_Number, BeforeValidator(_seconds, json_schema_input_type=_Number | _Written)]
_Long = Annotated[float, Field(gt=0, le=366 * 86400)]
Span = Annotated[_Long, BeforeValidator(_seconds, json_schema_input_type=_Long | _Written)]


class Spec(BaseModel):
    """A frozen part of the description; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Metric(Spec):
    """What success means, as a share (0 to 1) to reach."""

    name: Name
    target: float = Field(ge=0, le=1)


class OwnerSpec(Spec):
    """A named owner: the role whose people answer for it, and how to reach them."""

    role: Name
    contact: str = Field(min_length=1)


class ModelNeed(Spec):
    """What a step needs of a model: a capability, a quality tier, the data it may see."""

    need: Literal["chat", "plan", "judge", "route"]
    tier: Literal["small", "capable", "best"] = "capable"
    clearance: Literal["public", "internal", "restricted"] = "internal"


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
    governs its tools, or `none`. `fallback` is another step, `escalate` or `refuse`.
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


class RouteSpec(Spec):
    """A line of the supervisor's table. Exactly one of `to` and `ask`; no `when` is always.

    `ask` lists the steps among which a model chooses; `otherwise` is where the run goes when the
    model is missing or answers anything else. `owner` may be `intent.owner`.
    """

    when: str | None = None
    to: str | None = None
    ask: tuple[str, ...] | None = None
    otherwise: str | None = None
    owner: str | None = None
    why: str | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.to is None) == (self.ask is None):
            raise ValueError("a route has exactly one of 'to' and 'ask'")
        if self.ask is not None and self.otherwise is None:
            raise ValueError("a route with 'ask' needs 'otherwise'")
        return self


class AccessRule(Spec):
    """Documents whose title matches the regular expression get these readers."""

    title: str
    readers: tuple[str, ...]
    owner: Name | None = None


class KnowledgeSpec(Spec):
    """Where documents lie, who reads and owns those that do not say so themselves.

    `budget` bounds the evidence of one turn, in characters.
    """

    paths: tuple[str, ...] = ("knowledge",)
    default_readers: tuple[str, ...] = (EVERYONE,)
    default_owner: Name | None = None
    rules: tuple[AccessRule, ...] = ()
    budget: int = Field(default=6000, ge=500, le=60000)
    passages: int = Field(default=6, ge=1, le=50)


class Limits(Spec):
    """Bounds of one run and of what a thread keeps.

    `hops` counts the supervisor's decisions, `window` the messages that the next turn sees,
    `checkpoints` the states of a thread that can be travelled back to, `message` characters.
    """

    hops: int = Field(default=30, ge=3, le=500)
    revisions: int = Field(default=2, ge=0, le=10)
    actions: int = Field(default=20, ge=1, le=500)
    window: int = Field(default=12, ge=2, le=200)
    checkpoints: int = Field(default=20, ge=2, le=10000)
    message: int = Field(default=20000, ge=100, le=200000)


class BusinessRule(Spec):
    """A CEL condition over `draft`, `intent`, `principal` that must hold of every answer."""

    id: Name
    check: str
    why: str


class RedactionSpec(Spec):
    """What is taken out of messages, results, prompts and the trail.

    `kinds` are looked for; `card` and `secret` always are. `keep` names the kinds and patterns
    that stay in the stored message and in results, because tools need them. `patterns` are
    further regular expressions by name, `regions` the countries (ISO codes) whose national
    telephone numbers are recognised without a word such as "phone" in front of them.
    """

    kinds: tuple[Literal["secret", "card", "iban", "phone", "email"], ...] = (
        "secret",
        "card",
        "iban",
        "phone",
        "email",
    )
    keep: tuple[str, ...] = ("iban", "phone", "email")
    patterns: dict[Name, Annotated[str, Field(min_length=1, max_length=300)]] = Field(
        default_factory=dict
    )
    regions: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ()

    @field_validator("keep")
    @classmethod
    def _no_secret_kept(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "secret" in value:
            raise ValueError("secrets are never kept; let a tool take them from its environment")
        return value


class WorkflowSpec(Spec):
    """`workflow.yaml`."""

    workflow: Name
    schema_version: Literal[1] = 1
    description: str = ""
    owner: Name | None = None
    success_metric: Metric | None = None
    owners: dict[str, OwnerSpec] = Field(default_factory=dict)
    steps: tuple[StepSpec, ...] = Field(min_length=1)
    routes: tuple[RouteSpec, ...] = Field(min_length=1)
    knowledge: KnowledgeSpec | None = None
    limits: Limits = Limits()
    redaction: RedactionSpec = RedactionSpec()
    rules: tuple[BusinessRule, ...] = ()
    messages: dict[str, str] = Field(default_factory=dict)

    def step(self, step_id: str) -> StepSpec:
        """Return the step of this id, or raise KeyError."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)


class IntentSpec(Spec):
    """One intent: example utterances, what it needs, who owns it."""

    name: Name
    description: str = ""
    owner: Name
    utterances: tuple[str, ...] = Field(min_length=3)
    needs_evidence: bool = False
    playbook: Name | None = None
    acts: bool = False

    @model_validator(mode="after")
    def _playbook_acts(self) -> Self:
        if self.playbook and not self.acts:
            object.__setattr__(self, "acts", True)
        return self


class IntentsFile(Spec):
    """`intents.yaml`. `out_of_scope` are utterances that belong to no intent."""

    intents: tuple[IntentSpec, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    threshold: float | None = Field(default=None, ge=0, le=1)


class SlotSpec(Spec):
    """A typed value that a playbook needs from the message.

    `money` is read into minor units (cents). `pattern` is a regular expression whose first group
    is the value. A required slot without a value makes the desk ask `question`. With `carry`, a
    value that the principal gave earlier on the thread is used when this message has none.
    """

    name: Name
    type: Literal["integer", "money", "text", "enum", "date", "email"]
    pattern: str | None = None
    values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    required: bool = True
    carry: bool = False
    question: str | None = None


class CallSpec(Spec):
    """One call of a playbook.

    Argument strings that begin with `=` are CEL over `slots`, `results` (by key), `principal` and
    `request`; all else is literal. `when` is CEL over the same; a call whose `when` is false is
    skipped. `stop` ends the plan with this text when `when` holds and there is no `tool`.
    """

    key: Name
    tool: Name | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    when: str | None = None
    stop: str | None = None
    why: str = ""

    @model_validator(mode="after")
    def _tool_or_stop(self) -> Self:
        if (self.tool is None) == (self.stop is None):
            raise ValueError("a playbook call has exactly one of 'tool' and 'stop'")
        return self


class ReplySpec(Spec):
    """One wording of a playbook's answer."""

    when: str | None = None
    text: str


class PlaybookSpec(Spec):
    """A deterministic plan: slots from the message, then calls in order, then the reply.

    The first `reply` whose `when` holds is the answer; `{=CEL}` in its text is filled in.
    """

    name: Name
    slots: tuple[SlotSpec, ...] = ()
    calls: tuple[CallSpec, ...] = Field(min_length=1)
    reply: tuple[ReplySpec, ...] = ()


class PlaybooksFile(Spec):
    """`playbooks.yaml`."""

    playbooks: tuple[PlaybookSpec, ...] = ()


class PrincipalsFile(Spec):
    """`principals.yaml`: people and roles of a demonstration; a host brings its own."""

    principals: tuple[Principal, ...] = ()


class WorkspaceSpec(Spec):
    """All of a workspace's files but its tools and policies."""

    workflow: WorkflowSpec
    intents: IntentsFile = IntentsFile()
    playbooks: PlaybooksFile = PlaybooksFile()
    principals: PrincipalsFile = PrincipalsFile()

    def intent(self, name: str) -> IntentSpec:
        """Return the intent of this name, or raise KeyError."""
        for intent in self.intents.intents:
            if intent.name == name:
                return intent
        raise KeyError(name)

    def playbook(self, name: str) -> PlaybookSpec:
        """Return the playbook of this name, or raise KeyError."""
        for playbook in self.playbooks.playbooks:
            if playbook.name == name:
                return playbook
        raise KeyError(name)
