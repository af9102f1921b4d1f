"""What other policies would have decided about the calls of the past. Nothing is executed."""

from concertmaster.evaluation.replay.difference import Difference, Replay
from concertmaster.evaluation.replay.governed import find_setup
from concertmaster.evaluation.replay.reading import Range, cases, count_erased, count_events
from concertmaster.evaluation.replay.recorded import Case, WhatIf

__all__ = [
    "Case",
    "Difference",
    "Range",
    "Replay",
    "WhatIf",
    "cases",
    "count_erased",
    "count_events",
    "find_setup",
]
