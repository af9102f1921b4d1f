"""What every benchmark prints: a table for people on stderr, one JSON line on stdout."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["environment", "percentile", "report"]

_PACKAGES = ("concertmaster", "langgraph", "langchain-core", "chromadb", "cedarpy", "onnxruntime")


def environment() -> dict[str, Any]:
    """Return the versions and the number of cores that figures depend on."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "cores": os.cpu_count(), **versions}


def percentile(values: list[float], share: float) -> float:
    """Return a percentile (0 to 1) by the nearest-rank method; 0.0 without values."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def report(title: str, figures: Mapping[str, Any]) -> None:
    """Print the figures as a table on stderr and as one JSON object on stdout's last line."""
    table = Table(title=title)
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        if not isinstance(value, dict | list):
            table.add_row(name, f"{value:,.3f}" if isinstance(value, float) else str(value))
    Console(stderr=True).print(table)
    sys.stderr.flush()
    print(json.dumps({**figures, "environment": environment()}, allow_nan=False))
