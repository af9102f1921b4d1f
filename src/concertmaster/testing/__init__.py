"""For tests, the project's own and its users': scripted models, a loopback server, a reviewer.

Nothing here stands in for a part of Concertmaster: models and people are what a test replaces.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concertmaster.testing.chaos import FAULTS, Fault, Storm, fault
    from concertmaster.testing.langsmith import (
        LangSmithRequest,
        LangSmithServer,
        langsmith_server,
    )
    from concertmaster.testing.model import Prompt, ScriptedModel
    from concertmaster.testing.reviewer import AutoReviewer
    from concertmaster.testing.script import (
        Call,
        Cut,
        Drop,
        Ended,
        Fail,
        Flood,
        Garbage,
        Give,
        Hang,
        Say,
        ScriptExhausted,
        Status,
        Wait,
    )
    from concertmaster.testing.server import OpenAIServer, ServedRequest, openai_server
    from concertmaster.testing.workspaces import temporary_home, temporary_workspace

_HOME = {
    "AutoReviewer": "reviewer",
    "Call": "script",
    "Cut": "script",
    "Drop": "script",
    "Ended": "script",
    "FAULTS": "chaos",
    "Fail": "script",
    "Fault": "chaos",
    "Flood": "script",
    "Garbage": "script",
    "Give": "script",
    "Hang": "script",
    "LangSmithRequest": "langsmith",
    "LangSmithServer": "langsmith",
    "OpenAIServer": "server",
    "Prompt": "model",
    "Say": "script",
    "ScriptExhausted": "script",
    "ScriptedModel": "model",
    "ServedRequest": "server",
    "Status": "script",
    "Storm": "chaos",
    "Wait": "script",
    "fault": "chaos",
    "langsmith_server": "langsmith",
    "openai_server": "server",
    "temporary_home": "workspaces",
    "temporary_workspace": "workspaces",
}

__all__ = [
    "FAULTS",
    "AutoReviewer",
    "Call",
    "Cut",
    "Drop",
    "Ended",
    "Fail",
    "Fault",
    "Flood",
    "Garbage",
    "Give",
    "Hang",
    "LangSmithRequest",
    "LangSmithServer",
    "OpenAIServer",
    "Prompt",
    "Say",
    "ScriptExhausted",
    "ScriptedModel",
    "ServedRequest",
    "Status",
    "Storm",
    "Wait",
    "fault",
    "langsmith_server",
    "openai_server",
    "temporary_home",
    "temporary_workspace",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
