"""Results on standard output, everything else on standard error; JSON when it is asked for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = ["complain", "err", "note", "out", "print_json", "put", "safe", "styled", "wants_json"]


def out() -> Console:
    """Return the console of results."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console of everything else."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def safe(text: object) -> str:
    """Return text without characters that a terminal would obey instead of show.

    Newlines and tabs stay; other control, bidirectional and surrogate characters become escapes.
    """
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\u{ord(c):04x}" for c in str(text))


def styled(text: object, style: str = "") -> Text:
    """Return safe text in a style; nothing in it is read as markup."""
    from rich.text import Text

    return Text().append(safe(text), style=style)


def put(what: RenderableType) -> None:
    """Print a result. Text is wrapped for terminals only, so that files get whole lines."""
    from rich.text import Text

    console = out()
    what = safe(what) if isinstance(what, str) else what
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as captured:
        console.print(what, soft_wrap=isinstance(what, str | Text))
    lines = captured.get().split("\n")
    sys.stdout.write("\n".join(line.rstrip() for line in lines))
    sys.stdout.flush()


def note(what: RenderableType, style: str = "dim") -> None:
    """Print a remark on standard error; a string becomes safe text in the style."""
    console = err()
    what = styled(what, style) if isinstance(what, str) else what
    console.print(what, soft_wrap=not console.is_terminal)


def complain(message: str, *, code: str | None = None, hint: str | None = None) -> None:
    """Print an error in red on standard error, then how to put it right."""
    console = err()
    line = styled(f"error {code}: " if code else "error: ", "bold red")
    line.append(safe(message), style="red")
    console.print(line, soft_wrap=True)
    if hint:
        console.print(styled(f"  {hint}", "dim"), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON document on standard output; records of pydantic are understood."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    sys.stdout.write(text.encode("utf-8", "replace").decode() + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return str(value)


def wants_json(ctx: Any) -> bool:
    """Tell whether the command was asked for JSON."""
    return bool(ctx.find_root().meta.get("concertmaster.json"))
