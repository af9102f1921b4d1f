"""The controls of an approval, as ipywidgets. Imported only where those are installed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets  # type: ignore[import-untyped]

from concertmaster.contracts import Answer, Approve, Reject, Respond
from concertmaster.contracts.html import RED, visible
from concertmaster.errors import ConcertmasterError
from concertmaster.serving.console.characters import visible as plain

if TYPE_CHECKING:
    from concertmaster.notebook.approving import Deciding
    from concertmaster.serving.console.fields import Field

__all__ = ["controls"]

_WIDE = {"width": "min(640px, 100%)"}
_LABEL = {"description_width": "150px"}


def controls(deciding: Deciding) -> Any:
    """Return a box with an approval's card, a field for each argument, words and four buttons."""
    return _Controls(deciding).box


class _Controls:
    def __init__(self, deciding: Deciding) -> None:
        self._deciding = deciding
        self._tasks: set[asyncio.Task[None]] = set()
        self._card = ipywidgets.HTML(deciding.approval._repr_html_())
        self._told = ipywidgets.HTML()
        self._inputs = {field.key: _input(field) for field in deciding.fields}
        self._words = ipywidgets.Textarea(
            description="Words",
            placeholder="the reason, or the answer in the call's place",
            rows=2,
            layout=_WIDE,
            style=_LABEL,
        )
        self._buttons = [
            self._button("Approve", "success", self._approve, "let the call run as it stands"),
            self._button("Edit", "warning", self._edit, "let it run with the arguments above"),
            self._button("Reject", "danger", self._reject, "do not run it"),
            self._button("Respond", "info", self._respond, "go on with the words as its result"),
        ]
        if not self._inputs:
            self._buttons[1].disabled = True
        self.box = ipywidgets.VBox(
            [
                self._card,
                *self._inputs.values(),
                self._words,
                ipywidgets.HBox(self._buttons),
                self._told,
            ]
        )

    def _button(self, label: str, style: str, answer: Callable[[], Answer], tip: str) -> Any:
        button = ipywidgets.Button(description=label, button_style=style, tooltip=tip)
        button.on_click(lambda _: self._clicked(answer))
        return button

    def _approve(self) -> Answer:
        return Approve(reason=self._words.value)

    def _edit(self) -> Answer:
        given = {key: str(field.value) for key, field in self._inputs.items()}
        return self._deciding.edit(given, self._words.value)

    def _reject(self) -> Answer:
        return Reject(reason=self._words.value)

    def _respond(self) -> Answer:
        return Respond(text=self._words.value)

    def _clicked(self, answer: Callable[[], Answer]) -> None:
        try:
            given = answer()
        except ConcertmasterError as error:
            self._refuse(str(error))
            return
        self._freeze(True)
        self._told.value = "deciding …"
        # The loop keeps no reference to a task.
        task = asyncio.get_running_loop().create_task(self._decide(given))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _decide(self, answer: Answer) -> None:
        deciding = self._deciding
        try:
            run = await deciding.decide(answer)
        except Exception as error:
            # Nobody awaits a click: what is not told here is told to nobody.
            self._refuse(f"it could not be decided: {type(error).__name__}")
            raise
        self._card.value = deciding.approval._repr_html_()
        if run is None:
            self._refuse(deciding.refused or "it is being decided already")
        elif deciding.approval.status == "pending":
            self._told.value = "Noted. Others have to decide as well."
        else:
            self.box.children = (self._card, ipywidgets.HTML(run._repr_html_()))

    def _refuse(self, why: str) -> None:
        text = visible(why).replace("\n", "<br>")
        self._told.value = f"<span style='color:{RED}'>{text}</span>"
        self._freeze(False)

    def _freeze(self, frozen: bool) -> None:
        for control in (*self._inputs.values(), self._words, *self._buttons):
            control.disabled = frozen
        if not self._inputs:
            self._buttons[1].disabled = True


def _input(field: Field) -> Any:
    """Return the control of one argument; its value is a text, as in a form."""
    given = {
        "description": plain(field.label),
        "tooltip": field.help or field.type,
        "layout": _WIDE,
        "style": _LABEL,
    }
    if field.kind == "choice":
        options = [(label, key) for key, label in field.options]
        return ipywidgets.Dropdown(options=options, value=field.value, **given)
    if field.kind in ("long", "json"):
        return ipywidgets.Textarea(value=field.value, rows=4, **given)
    return ipywidgets.Text(value=field.value, **given)
