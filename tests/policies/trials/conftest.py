"""The small shop as a setting in which written calls are tried out."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from concertmaster.contracts import Confidentiality, Principal, ToolShape, Trust
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.errors import ToolError
from concertmaster.policies import PolicyEngine
from concertmaster.policies.trials import Setting, StepRules

PEOPLE = {
    "ana": Principal(id="ana", roles=("customer",)),
    "sam": Principal(id="sam", roles=("staff",)),
}


def only_integers(tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse texts for numbers, as a declared tool does, and fill its default in."""
    if not all(isinstance(arguments.get(n, 0), int) for n in ("order_id", "amount_cents")):
        raise ToolError(f"{tool}: the arguments do not fit")
    return {"note": None, **arguments} if tool == "refund_payment" else arguments


@pytest.fixture
def setting_of(folder: Callable[..., Path], shapes: dict[str, ToolShape]) -> Callable[..., Setting]:
    """Return a setting over the given policy texts; the ids in outputs are endorsed."""
    known = {
        **shapes,
        "refund_payment": shapes["refund_payment"].model_copy(update={"asks": ("refund",)}),
        "get_order": shapes["get_order"].model_copy(
            update={"label": Confidentiality.internal, "trust": Trust.untrusted}
        ),
    }

    def make(*texts: str, **changes: Any) -> Setting:
        given: dict[str, Any] = {
            "engine": PolicyEngine.load(folder(*texts), known),
            "shapes": known,
            "workspace": "shop",
            "steps": {
                "reader": StepRules(tools=("get_order",)),
                "executor": StepRules(tools=("get_order", "refund_payment", "change_address")),
                "strict": StepRules(
                    tools=("refund_payment",), review=ReviewSpec(mode="always", roles=("boss",))
                ),
            },
            "people": PEOPLE,
            "intents": {"refund": frozenset({"refund_payment"}), "greeting": frozenset()},
            "validate": only_integers,
            "endorsed": lambda tool, output: (
                {"id": output["id"]} if "id" in (output or ()) else None
            ),
        }
        return Setting(**(given | changes))

    return make
