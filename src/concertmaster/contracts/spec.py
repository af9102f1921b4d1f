"""The description of a workspace: what `workflow.yaml` and its neighbours say, as types.

Every model forbids unknown keys, so that a typing mistake is found and not ignored. The same
models can be built in Python. Loading and checking live in `concertmaster.graphs`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from concertmaster.contracts.budget import BudgetSpec
from concertmaster.contracts.context import ContextSpec
from concertmaster.contracts.knowledge import (
    AccessRule,
    ChromaSpec,
    EmbeddingSpec,
    KnowledgeSpec,
    TenantSpec,
)
from concertmaster.contracts.model import ModelsFile
from concertmaster.contracts.playbooks import (
    CallSpec,
    PlaybooksFile,
    PlaybookSpec,
    ReplySpec,
    SlotSpec,
)
from concertmaster.contracts.principal import Principal
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.contracts.steps import (
    Metric,
    ModelNeed,
    OwnerSpec,
    RetrySpec,
    ReviewSpec,
    StepSpec,
)
from concertmaster.contracts.written import Name, Spec

__all__ = [
    "AGENT_KINDS",
    "TERMINALS",
    "AccessRule",
    "BusinessRule",
    "CallSpec",
    "ChromaSpec",
    "EmbeddingSpec",
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
    "TenantSpec",
    "WorkflowSpec",
    "WorkspaceSpec",
]

AGENT_KINDS = ("intent_classifier", "retriever", "executor", "critic", "responder")
"""The built-in agents a step can name; anything else is `module:function` of the workspace."""

TERMINALS = ("finish", "escalate", "refuse")
"""Where a route can end a run."""


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
    retention: RetentionSpec = RetentionSpec()
    redaction: RedactionSpec = RedactionSpec()
    context: ContextSpec = ContextSpec()
    rules: tuple[BusinessRule, ...] = ()
    budgets: tuple[BudgetSpec, ...] = ()
    messages: dict[str, str] = Field(default_factory=dict)

    @property
    def kept_checkpoints(self) -> int:
        """How many states of a thread are kept while it is talked to."""
        declared = self.retention.checkpoints
        return (declared and declared.per_thread) or self.limits.checkpoints

    def step(self, step_id: str) -> StepSpec:
        """Return the step of this id, or raise KeyError."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)


class IntentSpec(Spec):
    """One intent: example utterances, what it needs, who owns it.

    `risk` is how much a wrong answer or action would cost; rules in `models.yaml` refer to it.
    """

    name: Name
    description: str = ""
    owner: Name
    utterances: tuple[str, ...] = Field(min_length=3)
    needs_evidence: bool = False
    playbook: Name | None = None
    acts: bool = False
    risk: Literal["low", "normal", "high"] = "normal"

    @model_validator(mode="after")
    def _playbook_acts(self) -> Self:
        if self.playbook and not self.acts:
            object.__setattr__(self, "acts", True)
        return self


class IntentsFile(Spec):
    """`intents.yaml`. `out_of_scope` are utterances that belong to no intent.

    With `clarify`, the author of a message whose two likeliest intents are close is asked which
    is meant. A number is the lead (0 to 1) of the first probability below which to ask; by
    default the lead is found from the utterances.
    """

    intents: tuple[IntentSpec, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    threshold: float | None = Field(default=None, ge=0, le=1)
    clarify: bool | Annotated[float, Field(ge=0, le=1)] = True


class PrincipalsFile(Spec):
    """`principals.yaml`: people and roles of a demonstration; a host brings its own."""

    principals: tuple[Principal, ...] = ()


class WorkspaceSpec(Spec):
    """All of a workspace's files but its tools and policies."""

    workflow: WorkflowSpec
    intents: IntentsFile = IntentsFile()
    playbooks: PlaybooksFile = PlaybooksFile()
    principals: PrincipalsFile = PrincipalsFile()
    models: ModelsFile = ModelsFile()

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
