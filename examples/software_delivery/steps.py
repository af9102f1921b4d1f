"""The desk's own step: test cases and risk of a change, by rules.

Its data are part of the run's state and have no power: policies look at the repository itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import risk  # noqa: TID252


async def assess(state: Mapping[str, Any], runtime: Any) -> dict[str, Any]:
    """Assess the change from the ticket and the files that were read before."""
    ticket, changed = state["results"]["ticket"], state["results"]["files"]
    files = [risk.ChangedFile(f["path"], f["lines"], f["area"]) for f in changed["files"]]
    found = risk.assess(files, ticket["criteria"])
    because = f", because it {' and '.join(found.reasons)}" if found.reasons else ""
    return {
        "assessment": {
            "ticket": ticket["id"],
            "risk": found.risk,
            "cases": list(found.cases),
            "checklist": "; ".join(case.rstrip(".") for case in found.cases),
            "summary": f"{found.risk}{because}",
        }
    }
