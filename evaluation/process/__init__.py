"""What the trail tells of the process: paths, waits, bottlenecks, conformance."""

from concertmaster.evaluation.process.analysis import Analysis, analyse
from concertmaster.evaluation.process.conformance import Conformance, conformance
from concertmaster.evaluation.process.csv_log import Columns, read_csv
from concertmaster.evaluation.process.log import Case, Event, Log
from concertmaster.evaluation.process.ocel import read_ocel, to_ocel
from concertmaster.evaluation.process.page import page
from concertmaster.evaluation.process.trail_log import log_of
from concertmaster.evaluation.process.xes import read_xes, write_xes

__all__ = [
    "Analysis",
    "Case",
    "Columns",
    "Conformance",
    "Event",
    "Log",
    "analyse",
    "conformance",
    "log_of",
    "page",
    "read_csv",
    "read_ocel",
    "read_xes",
    "to_ocel",
    "write_xes",
]
