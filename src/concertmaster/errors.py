"""Every error that Concertmaster raises on purpose.

ConcertmasterError
├── ConfigError            CM100  a setting or an argument is wrong
├── WorkspaceError         CM110  the files of a workspace cannot be read as one
│   └── NotReady           CM111  the readiness gate found errors
├── HomeError              CM120  the home directory cannot be used
│   ├── HomeBusy           CM121  another process is working in it
│   ├── HomeReadOnly       CM122  it cannot be written
│   ├── HomeVersion        CM123  it was written by another schema version
│   └── HomeFenced         CM124  another process has taken it over
├── StorageError           CM130  a stored record could not be written or read
├── PolicyError            CM200  policies cannot be loaded
├── ApprovalError          CM210  an answer to an approval was refused
│   ├── ApprovalUnknown    CM211  there is no such approval
│   ├── ApprovalStale      CM212  it was decided, voided or changed since
│   └── ApprovalForbidden  CM213  this principal may not decide it
├── IndexMismatch          CM300  the index was made with another embedding
├── KnowledgeError         CM310  documents cannot be ingested
├── ModelError             CM400  no model, or the model failed
│   └── ModelUnavailable   CM401  every declared model failed or none is configured
├── BudgetReached          CM420  a budget is used up
├── ToolError              CM500  a tool failed, timed out or returned what it must not
│   └── ToolUncertain      CM501  it stopped without telling whether it took effect
├── EffectInDoubt          CM510  whether an effect took place is unknown
├── RequestError           CM600  the message cannot be accepted as it is
│   └── KeyReused          CM601  its idempotency key stands for another message
├── ThreadForbidden        CM610  the thread belongs to another principal
├── ThreadBusy             CM611  a run on the thread has not ended
├── UnknownRun             CM620  there is no such run or thread
├── UnknownCheckpoint      CM621  a thread has no such state, or not any more
├── UnknownPrincipal       CM630  nobody here knows this principal
├── IdentityError          CM700  who is behind a request cannot be told
│   ├── Unauthenticated    CM701  the caller did not prove who it is
│   └── IdentityDown       CM702  what would tell who it is cannot be reached
├── ServerBusy             CM710  a server takes on no more at present
└── UnknownWorkflow        CM720  a server has no such workflow

A message says what happened, to which object, and how to put it right. `code` is stable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from concertmaster.contracts.failure import ModelFailure
    from concertmaster.contracts.turn import Usage

__all__ = [
    "ApprovalError",
    "ApprovalForbidden",
    "ApprovalStale",
    "ApprovalUnknown",
    "BudgetReached",
    "ConcertmasterError",
    "ConfigError",
    "EffectInDoubt",
    "HomeBusy",
    "HomeError",
    "HomeFenced",
    "HomeReadOnly",
    "HomeVersion",
    "IdentityDown",
    "IdentityError",
    "IndexMismatch",
    "KeyReused",
    "KnowledgeError",
    "ModelError",
    "ModelUnavailable",
    "NotReady",
    "PolicyError",
    "RequestError",
    "ServerBusy",
    "StorageError",
    "ThreadBusy",
    "ThreadForbidden",
    "ToolError",
    "ToolUncertain",
    "Unauthenticated",
    "UnknownCheckpoint",
    "UnknownPrincipal",
    "UnknownRun",
    "UnknownWorkflow",
    "WorkspaceError",
]


class ConcertmasterError(Exception):
    """The base of all errors raised on purpose; `hint` says how to put it right."""

    code = "CM000"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(ConcertmasterError):
    """A setting or an argument is wrong."""

    code = "CM100"


class WorkspaceError(ConcertmasterError):
    """The files of a workspace cannot be read as one; `problems` lists every finding."""

    code = "CM110"

    def __init__(
        self, message: str, *, hint: str | None = None, problems: tuple[object, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class NotReady(WorkspaceError):
    """The readiness gate found errors, and the workspace was not opened as a draft."""

    code = "CM111"


class HomeError(ConcertmasterError):
    """The home directory cannot be used."""

    code = "CM120"


class HomeBusy(HomeError):
    """Another process is working in the home directory."""

    code = "CM121"


class HomeReadOnly(HomeError):
    """The home directory cannot be written."""

    code = "CM122"


class HomeVersion(HomeError):
    """The home directory was written by a newer schema version than this one."""

    code = "CM123"


class HomeFenced(HomeError):
    """Another process has taken the home over; this one writes nothing to it any more."""

    code = "CM124"


class StorageError(ConcertmasterError):
    """A record could not be written or read (a full disk, a damaged file)."""

    code = "CM130"


class PolicyError(ConcertmasterError):
    """Policies cannot be loaded or do not fit the declared tools."""

    code = "CM200"


class ApprovalError(ConcertmasterError):
    """An answer to an approval was refused."""

    code = "CM210"


class ApprovalUnknown(ApprovalError):
    """There is no approval of this id here."""

    code = "CM211"


class ApprovalStale(ApprovalError):
    """The approval was decided, voided or overtaken before this answer came."""

    code = "CM212"


class ApprovalForbidden(ApprovalError):
    """This principal may not decide the approval."""

    code = "CM213"


class IndexMismatch(ConcertmasterError):
    """The index was made with another embedding than the one configured."""

    code = "CM300"


class KnowledgeError(ConcertmasterError):
    """Documents cannot be ingested."""

    code = "CM310"


class ModelError(ConcertmasterError):
    """A model failed or answered what cannot be used.

    Where a model was asked, `kind` says how it failed, `spent` what its attempts used up as far as
    the provider told (None: nobody knows), and `rest` for how many seconds it cannot be asked.
    """

    code = "CM400"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        kind: ModelFailure | None = None,
        spent: Usage | None = None,
        rest: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind, self.spent, self.rest = kind, spent, rest


class ModelUnavailable(ModelError):
    """Every declared model failed, or none is configured."""

    code = "CM401"


class BudgetReached(ConcertmasterError):
    """A budget is used up and the run ends for it; `owner` may grant more, if there is one."""

    code = "CM420"

    def __init__(self, message: str, *, hint: str | None = None, owner: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.owner = owner

    @property
    def fallback(self) -> Literal["escalate", "refuse"]:
        """How the run ends: with the owner who may grant more, or refused where there is none."""
        return "escalate" if self.owner else "refuse"


class ToolError(ConcertmasterError):
    """A tool failed, timed out or returned what it must not. Tools may raise it themselves."""

    code = "CM500"


class ToolUncertain(ToolError):
    """A tool stopped without telling whether it took effect: a timeout, an unexpected error."""

    code = "CM501"


class EffectInDoubt(ConcertmasterError):
    """Whether a consequential call took effect is unknown; a person has to look."""

    code = "CM510"


class RequestError(ConcertmasterError):
    """The message cannot be accepted as it is."""

    code = "CM600"


class KeyReused(RequestError):
    """An idempotency key came before, with another message or on another thread."""

    code = "CM601"


class ThreadForbidden(ConcertmasterError):
    """The thread belongs to another principal."""

    code = "CM610"


class ThreadBusy(ConcertmasterError):
    """A run on the thread has not ended, and the message may not wait for it."""

    code = "CM611"


class UnknownRun(ConcertmasterError):
    """There is no run or thread of this id here."""

    code = "CM620"


class UnknownCheckpoint(ConcertmasterError):
    """A thread has no state of this id, or retention has removed it."""

    code = "CM621"


class UnknownPrincipal(ConcertmasterError):
    """Neither the workspace nor the host knows this principal."""

    code = "CM630"


class IdentityError(ConcertmasterError):
    """Who is behind a request cannot be told."""

    code = "CM700"


class Unauthenticated(IdentityError):
    """The caller did not prove who it is.

    `reason` and `about` are for the log: why, and the public id of the key, session or issuer.
    Neither holds a secret.
    """

    code = "CM701"

    def __init__(
        self, message: str, *, reason: str, hint: str | None = None, about: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason, self.about = reason, about


class IdentityDown(IdentityError):
    """What would tell who the caller is cannot be reached; nobody is let in meanwhile."""

    code = "CM702"


class ServerBusy(ConcertmasterError):
    """A server takes on no more at present; `rest` is the seconds after which to come again."""

    code = "CM710"

    def __init__(self, message: str, *, hint: str | None = None, rest: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.rest = rest


class UnknownWorkflow(ConcertmasterError):
    """A server has no workflow of this name."""

    code = "CM720"
