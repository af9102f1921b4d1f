"""Foreign logs: CSV and XES, good, bad and hostile."""

import gzip

import pytest

from concertmaster.errors import ConfigError
from concertmaster.evaluation.process import Columns, analyse, read_csv, read_xes
from concertmaster.evaluation.process.moments import read_moment

LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<log><trace><event><string key="concept:name" value="&d;"/></event></trace></log>
"""
OUTSIDE = """<!DOCTYPE log SYSTEM "file:///etc/passwd"><log></log>"""
XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849-2016" xmlns="http://www.xes-standard.org/">
  <string key="concept:name" value="orders"/>
  <global scope="event"><string key="concept:name" value="nobody"/></global>
  <trace>
    <string key="concept:name" value="c1"/>
    <event>
      <string key="concept:name" value="pack"/><string key="lifecycle:transition" value="START"/>
      <date key="time:timestamp" value="2026-09-01T10:00:00.000+02:00"/>
    </event>
    <event>
      <string key="concept:name" value="pack"><string key="note" value="nested"/></string>
      <string key="lifecycle:transition" value="complete"/>
      <date key="time:timestamp" value="2026-09-01T10:05:00.000+02:00"/>
      <float key="cost:total" value="2.5"/><string key="org:resource" value="ana"/>
    </event>
    <event><date key="time:timestamp" value="2026-09-01T10:06:00Z"/></event>
    <event><string key="concept:name" value="ship"/></event>
    <event>
      <string key="concept:name" value="ship"/>
      <date key="time:timestamp" value="soon"/>
    </event>
    <event>
      <string key="concept:name" value="ship"/>
      <date key="time:timestamp" value="2026-09-01T08:10:00Z"/>
    </event>
  </trace>
</log>
"""


@pytest.fixture
def xes(tmp_path):
    def write(text):
        file = tmp_path / "log.xes"
        file.write_text(text)
        return file

    return write


def test_starts_and_completes_are_one_activity(xes):
    log = read_xes(xes(XES))
    (case,) = log.cases
    assert (log.name, case.id, case.path, case.outcome) == (
        "orders",
        "c1",
        ("pack", "ship"),
        "ship",
    )
    pack = analyse(log).steps[0]
    assert (pack.activity, pack.seconds.total, pack.cost) == ("pack", 300, 2.5)


def test_events_without_name_or_time_are_named_by_their_line_and_counted(xes):
    log = read_xes(xes(XES))
    assert [(r.place, r.why) for r in log.rejected] == [
        ("line 17", "it has no activity"),
        ("line 18", "it has no time"),
        ("line 19", "it is no time that can be read"),
    ]


@pytest.mark.parametrize("hostile", [LAUGHS, OUTSIDE])
def test_no_entity_is_expanded_and_nothing_is_fetched(xes, hostile):
    with pytest.raises(ConfigError, match="a document type, which an event log has no need of"):
        read_xes(xes(hostile))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no element found"),
        ("<log><trace>", "no element found"),
        ("<html></html>", "its root is no <log>"),
        ("<log>" + "<list>" * 100 + "</list>" * 100 + "</log>", "nested more than 32 deep"),
        ("no xml at all", "syntax error"),
    ],
)
def test_what_is_no_log_is_told(xes, text, why):
    with pytest.raises(ConfigError, match=why):
        read_xes(xes(text))


def test_packed_logs_are_read_and_broken_ones_told(tmp_path):
    file = tmp_path / "log.xes.gz"
    file.write_bytes(gzip.compress(XES.encode()))
    assert len(read_xes(file).cases) == 1
    file.write_bytes(gzip.compress(XES.encode())[:-20])
    with pytest.raises(ConfigError, match="cannot be read as XES"):
        read_xes(file)


def test_columns_are_named_or_guessed(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("Nr;What;When;Begun\n7;pack;01.09.2026 10:05;01.09.2026 10:00\n")
    with pytest.raises(ConfigError, match="no column for the case; it has Nr, What, When, Begun"):
        read_csv(file)
    named = Columns(case="Nr", activity="What", time="When", start="Begun")
    (case,) = read_csv(file, named).cases
    assert (case.id, case.seconds) == ("7", 300)
    with pytest.raises(ConfigError, match="no column 'Who'"):
        read_csv(file, Columns(case="Who"))


def test_bad_rows_are_named_counted_and_left_out(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text(
        "case,activity,time,start,cost\n"
        "1,a,2026-09-01,,\n"
        ",a,2026-09-01,,\n"
        "1,,2026-09-01,,\n"
        "1,a,01/02/2026,,\n"
        "1,a,2026-09-01T08:00,2026-09-01T09:00,\n"
        "1,a,2026-09-01,,nan\n"
        "1\n"
    )
    log = read_csv(file)
    assert (len(log.cases), log.rejected_count) == (1, 6)
    assert [r.place for r in log.rejected] == [f"line {n}" for n in range(3, 9)]
    assert "day and month cannot be told apart" in log.rejected[2].why


def test_files_that_are_no_csv_are_told(tmp_path):
    file = tmp_path / "log.csv"
    file.write_bytes(b"case,activity,time\n\xff\xfe,a,2026\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read_csv(file)
    file.write_text('case,activity,time\n1,"' + "x" * 200_000 + '",2026-09-01\n')
    with pytest.raises(ConfigError, match="cannot be read as CSV"):
        read_csv(file)
    with pytest.raises(ConfigError, match="cannot be read as CSV"):
        read_csv(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-09-01T08:00:00Z", "2026-09-01T08:00:00+00:00"),
        ("2026-09-01 10:00:00.123456789+02:00", "2026-09-01T08:00:00.123456+00:00"),
        ("2026/9/1 08:00", "2026-09-01T08:00:00+00:00"),
        ("01-09-2026 08:00:01", "2026-09-01T08:00:01+00:00"),
    ],
)
def test_common_times_are_read(text, iso):
    assert read_moment(text).isoformat() == iso
