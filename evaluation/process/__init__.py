"""What the trail tells of the process: paths, waits, bottlenecks, conformance."""

from concertmaster.evaluation.process.analysis import Analysis, analyse
from concertmaster.evaluation.process.conformance import Comparing, Conformance, conformance
from concertmaster.evaluation.process.csv_log import Columns, read_csv
from concertmaster.evaluation.process.log import Case, Event, Log
from concertmaster.evaluation.process.ocel import read_ocel, to_ocel, write_ocel
from concertmaster.evaluation.process.page import page
from concertmaster.evaluation.process.spool import Spool
from concertmaster.evaluation.process.trail_log import case_of, log_of
from concertmaster.evaluation.process.trail_pages import TrailPages
from concertmaster.evaluation.process.xes import read_xes, write_xes

__all__ = [
    "Analysis",
    "Case",
    "Columns",
    "Comparing",
    "Conformance",
    "Event",
    "Log",
    "Spool",
    "TrailPages",
    "analyse",
    "case_of",
    "conformance",
    "log_of",
    "page",
    "read_csv",
    "read_ocel",
    "read_xes",
    "to_ocel",
    "write_ocel",
    "write_xes",
]
