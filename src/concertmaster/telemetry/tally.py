"""Figures of a server for Prometheus, in its text form (version 0.0.4)."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from concertmaster.telemetry.measures import Measure

__all__ = ["CONTENT_TYPE", "Tally"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Labels = tuple[tuple[str, str], ...]
_UNITS = {"s": "_seconds", "USD": "_usd", "{token}": "_tokens"}


class _Series:
    """The figures of one set of labels; `buckets` are not cumulative."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.count, self.sum = 0, 0.0
        self.buckets = [0] * (len(bounds) + 1)


class Tally:
    """Adds figures up. Use it as the sink of `Measures`; `text` is what is scraped.

    >>> from concertmaster.telemetry.measures import MEASURES
    >>> tally = Tally()
    >>> tally(MEASURES["concertmaster.runs"], 1, {"outcome": "answered"})
    >>> print(tally.text())
    # HELP concertmaster_runs_total Runs that ended, by outcome.
    # TYPE concertmaster_runs_total counter
    concertmaster_runs_total{outcome="answered"} 1
    <BLANKLINE>
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[Measure, dict[_Labels, _Series]]] = {}
        self._lock = threading.Lock()

    def __call__(self, measure: Measure, value: float, labels: Mapping[str, str]) -> None:
        """Add a figure."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            _, series = self._found.setdefault(measure.name, (measure, {}))
            one = series.setdefault(key, _Series(measure.bounds))
            one.count += 1
            one.sum += value
            if measure.kind == "histogram":
                one.buckets[bisect_left(measure.bounds, value)] += 1

    def text(self, gauges: Mapping[str, tuple[str, Mapping[_Labels, float]]] | None = None) -> str:
        """Return everything as text.

        Args:
            gauges: by their names, what they tell, and the present value for each set of labels.
        """
        with self._lock:
            lines = [line for name in sorted(self._found) for line in _told(*self._found[name])]
        for name, (told, values) in (gauges or {}).items():
            lines += [f"# HELP {name} {told}", f"# TYPE {name} gauge"]
            lines += [f"{name}{_braces(labels)} {_figure(v)}" for labels, v in values.items()]
        return "".join(f"{line}\n" for line in lines)


def _told(measure: Measure, found: Mapping[_Labels, _Series]) -> Iterator[str]:
    name = _named(measure.name) + _UNITS.get(measure.unit, "")
    name += "_total" if measure.kind == "counter" else ""
    yield f"# HELP {name} {measure.told}"
    yield f"# TYPE {name} {measure.kind}"
    for labels, one in found.items():
        if measure.kind == "counter":
            yield f"{name}{_braces(labels)} {_figure(one.sum)}"
            continue
        so_far = 0
        for bound, count in zip((*measure.bounds, None), one.buckets, strict=True):
            so_far += count
            le = "+Inf" if bound is None else _figure(bound)
            yield f"{name}_bucket{_braces((*labels, ('le', le)))} {so_far}"
        yield f"{name}_sum{_braces(labels)} {_figure(one.sum)}"
        yield f"{name}_count{_braces(labels)} {one.count}"


def _braces(labels: Iterable[tuple[str, str]]) -> str:
    inner = ",".join(f'{_named(name)}="{_escaped(value)}"' for name, value in labels)
    return f"{{{inner}}}" if inner else ""


def _named(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _figure(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
