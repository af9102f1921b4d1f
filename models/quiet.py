"""What a model writes reaches nobody while it is being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["unheard"]


def unheard() -> RunnableConfig:
    """Return the configuration of a call whose words are not streamed; tracers still see it.

    Whoever runs a graph may stream the words of its models, which LangChain then passes on as they
    come: a draft before it is checked, a plan, a judgement. Such a listener also makes a model
    stream its reply, of which servers often do not tell the tokens. A handler that takes streams
    is known by its `tap_output_aiter`, as LangChain and LangGraph know it.
    """
    from langchain_core.callbacks import BaseCallbackManager
    from langchain_core.runnables.config import ensure_config

    callbacks = ensure_config().get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        quiet = callbacks.copy()
        quiet.handlers = [h for h in quiet.handlers if not _streams(h)]
        quiet.inheritable_handlers = [h for h in quiet.inheritable_handlers if not _streams(h)]
        return {"callbacks": quiet}
    return {"callbacks": [h for h in callbacks or () if not _streams(h)]}


def _streams(handler: object) -> bool:
    return hasattr(handler, "tap_output_aiter")
