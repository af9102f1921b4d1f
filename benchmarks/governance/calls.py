"""Calls of the sample support desk as a run would propose them, with everything they rest on.

The tools are the desk's own. What a run had read before a call comes from these tools and from
the desk's knowledge; its facts are looked up once and served from memory afterwards, so that what
is measured is the gate and not the shop's books.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from concertmaster.contracts import Confidentiality, History, Label, Past, Principal
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.errors import ToolError
from concertmaster.policies.gate import Call
from concertmaster.policies.provenance import Source, Sources
from concertmaster.tools import ToolContext
from concertmaster.tools.declaration import Tool
from concertmaster.tools.toolbox import Toolbox

__all__ = ["Case", "Desk", "make_desk"]

FIRST, LAST = 1001, 1080
_TEAMS = 12
_ADDRESS = "Prinsengracht {n}, 1016 HV Amsterdam, NL"
_LETTER = (
    "From: {mail}\nSubject: order {order}\n\nHello, this is about order {order}. "
    "It was to be {amount} and I paid with my own card. Please write to {mail} or look at "
    "https://shop.example.com/orders/{order} for the pictures that I took on the day of delivery. "
    "My neighbour of {address} has taken the parcel. The label says NL91ABNA04171643{n:02d}. "
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call, the sources that the run had read, and the last one, which nobody looked at yet."""

    tool: Tool
    call: Call
    context: ToolContext
    older: Sources
    newest: Source

    @property
    def facts(self) -> Mapping[str, Any] | None:
        """What the tool's resolver finds; None if it has none."""
        found: Mapping[str, Any] | None = None
        if self.tool.facts is not None:
            found = self.tool.facts(self.call.arguments, self.context)
        return found

    def fresh(self, number: int) -> Source:
        """Return the newest source with a content that was never seen before."""
        return replace(self.newest, content={**self.newest.content, "read_as": number})


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The desk's tools, with facts from memory, and the calls."""

    tools: Toolbox
    cases: tuple[Case, ...]

    @property
    def source_bytes(self) -> int:
        """The median size of what a run had read before a call."""
        sizes = sorted(
            sum(len(_text(s.content)) for s in (*case.older, case.newest)) for case in self.cases
        )
        return sizes[len(sizes) // 2]


def make_desk(folder: Path, data_dir: Path, *, count: int = 160) -> Desk:
    """Read the support desk in a folder, make its books in `data_dir`, and propose calls."""
    tools = Toolbox.load(folder)
    tools.prepare(data_dir)
    knowledge = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("returns/*.md"))]
    maker = _Maker(tools, data_dir, knowledge)
    cases = tuple(itertools.islice(maker.cases(), count))
    return Desk(tools=Toolbox.of(*maker.served.values()), cases=cases)


class _Maker:
    def __init__(self, tools: Toolbox, data_dir: Path, knowledge: list[str]) -> None:
        self._tools = tools
        self._data_dir = data_dir
        self._knowledge = knowledge
        self._facts: dict[str, dict[str, Any]] = {name: {} for name in tools}
        self.served = {name: self._from_memory(tool) for name, tool in tools.items()}

    def _from_memory(self, tool: Tool) -> Tool:
        if tool.facts is None:
            return tool
        known = self._facts[tool.name]

        def look_up(arguments: Mapping[str, Any], ctx: ToolContext) -> Any:
            return known[_text(arguments)]

        look_up.__annotations__["return"] = get_type_hints(tool.facts)["return"]
        return replace(tool, facts=look_up)

    def cases(self) -> Iterator[Case]:
        """Propose calls without end, each another one: all tools, all orders, own and foreign."""
        names = itertools.cycle(self._tools)
        for number in itertools.count():
            order = FIRST + (number * 7) % (LAST - FIRST + 1)
            for name in itertools.islice(names, 3):
                yield self._case(name, order, number)

    def _case(self, name: str, order: int, number: int) -> Case:
        tool = self._tools[name]
        about = self._output("get_order", {"order_id": order}, Principal(id="desk"))
        principal = _principal(about["customer"], number)
        arguments = tool.validate(self._arguments(name, order, about, number))
        context = self._context(principal, number)
        if tool.facts is not None:
            self._facts[name][_text(arguments)] = tool.facts(arguments, context)
        words = Source("words", "principal", _words(name, arguments))
        *older, newest = self._read(order, about, principal, number)
        asked = frozenset({name}) if number % 3 else frozenset()
        done = frozenset({"get_order", "list_orders", "get_payments"})
        past = Past(done=done, calls=3 + number % 4, consequential=number % 3, refused=number % 2)
        call = Call(
            tool=name,
            arguments=arguments,
            principal=principal,
            step="executor",
            allowed=tuple(self._tools),
            review=ReviewSpec(),
            intent="order_help",
            label=Label(confidentiality=Confidentiality.internal, sources=("run",)),
            history=History(run=past, thread=past),
            offered=asked,
        )
        served = self.served[name]
        older_sources = Sources(words, *older)
        return Case(tool=served, call=call, context=context, older=older_sources, newest=newest)

    def _arguments(
        self, name: str, order: int, about: Mapping[str, Any], number: int
    ) -> dict[str, Any]:
        sku = self._output("find_item", {"order_id": order}, Principal(id="desk"))["sku"]
        cents = 500 + (number * 1370) % 24000
        address = _ADDRESS.format(n=1 + number)
        given: dict[str, dict[str, Any]] = {
            "list_orders": {"customer": about["customer"], "limit": 1 + number % 9},
            "get_store_credit": {"customer": about["customer"]},
            "find_customer": {"query": about["customer"]},
            "find_item": {"order_id": order, "description": about["articles"].lower()[:60]},
            "refund_payment": {"order_id": order, "amount_cents": cents, "reason": "damaged"},
            "change_address": {"order_id": order, "address": address},
            "replace_item": {"order_id": order, "sku": sku or "LMP-MOSA", "reason": "defective"},
            "issue_store_credit": {"order_id": order, "amount_cents": cents, "note": "goodwill"},
        }
        return given.get(name, {"order_id": order})

    def _read(
        self, order: int, about: Mapping[str, Any], principal: Principal, number: int
    ) -> list[Source]:
        """Return what a run had read: results of the desk's tools, knowledge, and a letter."""
        listed = {"customer": about["customer"], "limit": 10}
        text = _LETTER.format(
            mail=f"{about['customer']}@example.com",
            order=order,
            amount=f"{about['total_cents'] / 100:.2f} EUR",
            address=_ADDRESS.format(n=1 + number),
            n=number % 100,
        )
        trusted = (("get_order", {"order_id": order}), ("list_orders", listed))
        return [
            Source("knowledge", "trusted", self._knowledge[number % len(self._knowledge)]),
            *(Source(name, "trusted", self._output(name, a, principal)) for name, a in trusted),
            Source("letter", "untrusted", {"letter": text * 2}),
            Source(
                "get_payments",
                "trusted",
                self._output("get_payments", {"order_id": order}, principal),
            ),
        ]

    def _output(self, name: str, arguments: Mapping[str, Any], principal: Principal) -> Any:
        tool = self._tools[name]
        try:
            return tool(**tool.call_arguments(arguments), ctx=self._context(principal, 0))
        except ToolError as error:
            return {"error": error.message}

    def _context(self, principal: Principal, number: int) -> ToolContext:
        return ToolContext(
            principal=principal,
            run=f"run-{number}",
            thread=f"thread-{number}",
            idempotency_key=f"key-{number}",
            data_dir=self._data_dir,
        )


def _principal(customer: str, number: int) -> Principal:
    """Return the order's customer, a stranger, or one of the staff with their team."""
    if number % 5 in (0, 1, 2):
        return Principal(id=customer or "nobody", name=customer.title(), roles=("customer",))
    if number % 5 == 3:
        return Principal(id="mallory", name="Mallory", roles=("customer",))
    team = f"team-{number % _TEAMS:02d}"
    return Principal(id=f"staff-{number % _TEAMS}", roles=("staff", team), groups=(team,))


def _words(name: str, arguments: Mapping[str, Any]) -> str:
    told = ", ".join(str(v) for v in arguments.values())
    cents = arguments.get("amount_cents")
    money = f" {cents / 100:.2f} EUR," if isinstance(cents, int) else ""
    return (
        f"Hello, could you please {name.replace('_', ' ')} for me?{money} it is about {told}. "
        "I ordered it some weeks ago and am not quite happy with how it went. Thank you!"
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
