"""An approval in a notebook: its card with controls, or with the lines that decide it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concertmaster.contracts import (
    Answer,
    Approval,
    Edit,
    Principal,
    canonical,
)
from concertmaster.contracts.html import visible
from concertmaster.errors import ApprovalError, ConcertmasterError
from concertmaster.notebook.front import in_notebook
from concertmaster.notebook.wanted import approval_of, asynchronous
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.run import Run
from concertmaster.serving.console.fields import Field, Unreadable, form_of, read

__all__ = ["Deciding", "approve", "lines"]


def approve(desk: Desk, waiting: Run | Approval, *, principal: Principal | str) -> Deciding:
    """Return an approval as something to decide on: the last line of a cell shows it.

    With `ipywidgets` it has fields and buttons. Without, the card has the lines of code that
    decide; where there is no notebook, they are printed.

    Args:
        desk: an open desk; its own event loop has to be the notebook's.
        waiting: a run that waits, of which the first approval is taken, or an approval.
        principal: who decides. The desk checks whether they may, when they do.

    Raises:
        ApprovalUnknown: the run waits for nobody.
        ConfigError: it is no asynchronous desk, or neither a run nor an approval.
    """
    asynchronous(desk, "cm.approve")
    deciding = Deciding(desk, approval_of(waiting), principal)
    if not in_notebook():
        print(deciding.text())
    return deciding


class Deciding:
    """One person before one approval. `run` is the run after the decision, `refused` why not."""

    def __init__(self, desk: Desk, approval: Approval, principal: Principal | str) -> None:
        self.approval = approval
        self.principal = principal
        self.run: Run | None = None
        self.refused: str | None = None
        self._desk = desk
        self._widget: Any = None
        self._busy = False

    def __repr__(self) -> str:
        return f"<Deciding {self.approval.id} {self.approval.status}>"

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the call's arguments, by the tool's schema; none if the tool is gone."""
        toolbox = self._desk.services.toolbox
        action = self.approval.action
        if action.tool not in toolbox.names:
            return ()
        return form_of(toolbox[action.tool].schema(), action.arguments)

    def edit(self, given: Mapping[str, str], reason: str = "") -> Edit:
        """Return the edit that the texts of fields stand for, checked by the tool's own types.

        Raises:
            ApprovalError: a text is no value of its field, nothing is changed, or the tool is gone.
            ToolError: the tool does not take them.
        """
        before = self.approval.action.arguments
        tool = self.approval.action.tool
        if tool not in self._desk.services.toolbox.names:
            raise ApprovalError(
                f"the workspace has no tool {tool!r} any more",
                hint="reject the call, or respond in its place",
            )
        try:
            found = read(self.fields, given, before)
        except Unreadable as error:
            raise ApprovalError(str(error)) from None
        arguments = self._desk.services.toolbox[tool].validate(found)
        if canonical(arguments) == canonical(before):
            raise ApprovalError(
                "nothing is changed by this edit", hint="approve the call as it stands instead"
            )
        return Edit(arguments=arguments, reason=reason)

    async def decide(self, answer: Answer) -> Run | None:
        """Give an answer; return the run as it then stands, None if the answer was refused."""
        if self._busy:
            return None
        self._busy, self.refused = True, None
        try:
            self.run = await self._desk.decide(self.approval.id, answer, principal=self.principal)
            self.approval = await self._desk.services.approvals.get(self.approval.id)
        except ConcertmasterError as error:
            self.refused = str(error)
            return None
        finally:
            self._busy = False
        return self.run

    def text(self) -> str:
        """Return what is asked, and the lines of code that decide it."""
        action = self.approval.action
        needs = ", ".join(f"{n.count} × {n.role}" for n in self.approval.needs)
        whose = f"{action.tool} for {self.approval.requester}"
        told = [f"{self.approval.id} waits for {needs}: {whose}"]
        told += [f"  {name} = {value!r}" for name, value in action.arguments.items()]
        told += [f"  {reason}" for reason in (*self.approval.reasons, *self.approval.concerns())]
        plain = ("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in told)
        return "\n".join([*plain, "", *lines(self.approval, self.principal)])

    def _repr_html_(self) -> str:
        """Return the card, and below it the lines of code that decide, or what became of it."""
        if self.run is not None:
            return f"{self.approval._repr_html_()}{self.run._repr_html_()}"
        code = visible("\n".join(lines(self.approval, self.principal)))
        return (
            f"{self.approval._repr_html_()}"
            f"<pre style='font-size:12px;white-space:pre-wrap;margin:8px 0'>{code}</pre>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        plain = {"text/plain": self.text(), "text/html": self._repr_html_()}
        widget = self.widget()
        return plain if widget is None else {**widget._repr_mimebundle_(), **plain}

    def widget(self) -> Any:
        """Return the controls as an ipywidgets box, always the same; None without ipywidgets."""
        if self._widget is None:
            try:
                from concertmaster.notebook.controls import controls
            except ModuleNotFoundError as error:
                if error.name != "ipywidgets":
                    raise
                return None
            self._widget = controls(self)
        return self._widget


def lines(approval: Approval, principal: Principal | str) -> list[str]:
    """Return the lines of code that give each of the four answers."""
    who = repr(principal) if isinstance(principal, str) else _written(principal)
    answers = (
        'cm.Approve(reason="…")',
        f"cm.Edit(arguments={approval.action.arguments!r})",
        'cm.Reject(reason="…")',
        'cm.Respond(text="…")',
    )
    return [
        f"run = await desk.decide({approval.id!r}, {answer}, principal={who})" for answer in answers
    ]


def _written(principal: Principal) -> str:
    given = principal.model_dump(exclude_defaults=True)
    return f"cm.Principal({', '.join(f'{name}={value!r}' for name, value in given.items())})"
