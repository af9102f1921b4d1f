"""A small bank behind an agent that somebody built with LangChain."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import concertmaster as cm
from concertmaster.testing import ScriptedModel

POLICIES = """
@id("read")
@reason("everybody may look things up")
permit (principal, action in [Action::"look_up", Action::"inbox"], resource);

@id("small")
@reason("up to 50 euros may be sent at once")
permit (principal, action == Action::"send_money", resource)
when { principal.roles.contains("customer") && context.args.euros <= 50 };

@id("large")
@reason("more than 50 euros are looked at by finance")
@obligation("review:finance")
permit (principal, action == Action::"send_money", resource)
when { principal.roles.contains("customer") && context.args.euros > 50 };

@id("huge")
@reason("more than 1000 euros are looked at by two of risk")
@obligation("review:2-of:risk")
permit (principal, action == Action::"send_money", resource)
when { principal.roles.contains("customer") && context.args.euros > 1000 };

@id("never")
@reason("nobody sends more than 5000 euros")
forbid (principal, action == Action::"send_money", resource)
when { context.args.euros > 5000 };
"""

ANA = cm.Principal(id="ana", roles=("customer",))
LI = cm.Principal(id="li", roles=("finance",))
SAM = cm.Principal(id="sam", roles=("risk",))
KIM = cm.Principal(id="kim", roles=("risk",))


@dataclass
class Bank:
    """What took place, and the tools by which it does."""

    sent: list[tuple[str, int]] = field(default_factory=list)
    mails: Any = "nothing new"

    def tools(self) -> list[BaseTool]:
        @tool
        def send_money(to: str, euros: int) -> str:
            """Send money to an account."""
            self.sent.append((to, euros))
            return f"sent {euros} to {to}"

        @tool
        def look_up(account: str) -> dict[str, Any]:
            """Look an account up."""
            return {"account": account, "iban": "NL91ABNA0417164300", "balance": 700}

        @tool
        def inbox() -> Any:
            """Read the mails."""
            return self.mails

        @tool
        def close_account(account: str) -> str:
            """Close an account."""
            self.sent.append((account, -1))
            return "closed"

        return [send_money, look_up, inbox, close_account]


def declared(tools: list[BaseTool]) -> list[Any]:
    """Declare what should be; the last one stays as it is."""
    send_money, look_up, inbox, close_account = tools
    return [
        cm.declare(send_money, effect="irreversible", targets=["to"], asks=["send", "pay"]),
        cm.declare(look_up, effect="read", label="internal"),
        cm.declare(inbox, effect="read", label="internal"),
        close_account,
    ]


@pytest.fixture
def people() -> SimpleNamespace:
    return SimpleNamespace(ana=ANA, li=LI, sam=SAM, kim=KIM)


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
def govern(tmp_path: Path) -> Iterator[Callable[..., cm.Governance]]:
    """Make governances over policies; all are closed in the end."""
    made: list[cm.Governance] = []

    def make(bank: Bank, policies: str = POLICIES, **options: Any) -> cm.Governance:
        folder = tmp_path / f"policies-{len(made)}"
        folder.mkdir()
        (folder / "bank.cedar").write_text(policies)
        options.setdefault("tools", declared(bank.tools()))
        made.append(cm.Governance.load(folder, **options))
        return made[-1]

    yield make
    for governance in made:
        governance.close()


@dataclass
class Agent:
    """An agent of `create_agent` and one thread of it."""

    graph: Any
    model: ScriptedModel
    config: dict[str, Any] = field(default_factory=lambda: {"configurable": {"thread_id": "t"}})

    def ask(self, text: Any = "Please do it", *, principal: Any = ANA, **acting: Any) -> Any:
        given = text if not isinstance(text, str) else {"messages": [("user", text)]}
        context = cm.Acting(principal=principal, **acting) if principal else None
        return self.graph.invoke(given, self.config, context=context)

    def resume(self, value: Any, **acting: Any) -> Any:
        return self.ask(Command(resume=value), **acting)

    async def aask(self, text: Any = "Please do it", *, principal: Any = ANA, **acting: Any) -> Any:
        given = text if not isinstance(text, str) else {"messages": [("user", text)]}
        context = cm.Acting(principal=principal, **acting)
        return await self.graph.ainvoke(given, self.config, context=context)

    async def aresume(self, value: Any, **acting: Any) -> Any:
        return await self.aask(Command(resume=value), **acting)


@pytest.fixture
def agent() -> Callable[..., Agent]:
    """Make an agent whose model follows a script."""

    def make(
        tools: list[Any], governance: cm.Governance | None, *script: Any, middleware: Any = ()
    ) -> Agent:
        model = ScriptedModel(*script)
        own = [cm.GovernanceMiddleware(governance)] if governance else []
        graph = create_agent(
            model,
            tools,
            middleware=[*middleware, *own],
            checkpointer=InMemorySaver(),
            context_schema=cm.Acting,
        )
        return Agent(graph, model)

    return make


@pytest.fixture
def results() -> Callable[[Any], list[tuple[str, str]]]:
    """Return the status and the text of every tool message of a state."""
    return lambda state: [(m.status, m.text) for m in state["messages"] if m.type == "tool"]
