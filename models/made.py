"""Chat models that functions of the workspace return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from concertmaster.models.spec import ModelSpec

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["made_by"]


def made_by(
    spec: ModelSpec, makers: Mapping[str, Callable[[], Any]]
) -> tuple[BaseChatModel | None, str | None]:
    """Return the chat model that the workspace's function makes, or what is wrong with it.

    The words go into the trail, so they tell an error's kind and not its text, which may hold a
    key.
    """
    named = spec.model or ""
    maker = makers.get(named)
    if maker is None:
        return None, f"needs the function {named}, which is not loaded"
    try:
        made = maker()
    except Exception as error:
        return None, f"needs {named}, which raised {type(error).__name__}"
    if not (hasattr(made, "ainvoke") and hasattr(made, "bind_tools")):
        return None, f"needs {named} to return a chat model, not a {type(made).__name__}"
    return made, None
