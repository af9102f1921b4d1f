"""`concertmaster report`: how work flows, from a home or from a foreign log."""

import json
from datetime import timedelta

import pytest

from concertmaster.contracts import now
from concertmaster.evaluation.process import read_ocel, read_xes

LOG = "case,activity,time\nc1,a,2026-09-01\nc1,b,2026-09-02\nc2,a,2026-10-01\nc2,,2026-10-01\n"


@pytest.fixture
def played(workspace, ask):
    small, _ = ask("run", workspace, "refund 20 euros for order 7", "--as", "ana", "-t", "t-1")
    large, _ = ask("run", workspace, "refund 80 euros for order 8", "--as", "ben", "-t", "t-2")
    ask("approvals", "approve", large["pending"][0]["id"], "--as", "li", "--reason", "seen")
    return small["run"], large["run"]


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text(LOG)
    return file


def test_a_home_is_reported_with_its_waits_paths_and_routes(played, workspace, ask):
    found, code = ask("report", workspace)
    assert code == 0
    assert (found["cases"], found["outcomes"]) == (2, {"answered": 2})
    assert found["waits"]["(people)"]["count"] == 1
    assert {s["activity"] for s in found["steps"]} >= {"executor", "responder", "critic", "finish"}
    fit = found["conformance"]
    assert (fit["runs"], fit["fitting"], fit["deviations"]) == (2, 2, [])
    assert sum(route["count"] for route in fit["routes"]) > 6


def test_page_and_exports_are_written_to_new_files(played, workspace, tmp_path, cli):
    page, xes, ocel = (tmp_path / name for name in ("r.html", "r.xes", "r.json"))
    done = cli("report", workspace, "--out", page, "--to-xes", xes, "--to-ocel", ocel)
    assert done.exit_code == 0
    assert "2 of 2 runs went as declared" in done.stdout
    assert "<svg" in page.read_text()
    assert len(read_xes(xes).cases) == len(read_ocel(ocel).cases) == 2
    again = cli("report", workspace, "--out", page)
    assert again.exit_code == 2
    assert "exists" in again.stderr


def test_what_was_said_is_in_no_export(played, workspace, tmp_path, cli):
    page, ocel = tmp_path / "r.html", tmp_path / "r.json"
    cli("report", workspace, "--out", page, "--to-ocel", ocel)
    for file in (page, ocel):
        assert "80 euros" not in file.read_text()
    assert "ben" not in json.dumps(json.loads(ocel.read_text())["objects"])


def test_an_erased_run_stays_erased(played, workspace, ask, cli):
    cli("audit", "erase", "t-2", "--as", "ben", "--why", "asked for", "-w", workspace)
    found, _ = ask("report", workspace)
    assert found["cases"] == 1
    assert played[1] not in json.dumps(found)


def test_runs_are_chosen_by_when_they_began(played, workspace, ask):
    tomorrow = (now() + timedelta(days=1)).date().isoformat()
    none, _ = ask("report", workspace, "--since", tomorrow)
    assert (none["cases"], none["conformance"]["runs"]) == (0, 0)
    recent, _ = ask("report", workspace, "--since", "1h", "--until", tomorrow)
    assert recent["cases"] == 2


def test_a_foreign_log_needs_no_home(log, ask):
    found, code = ask("report", "--csv", log, "--until", "2026-09-15")
    assert code == 0
    assert (found["cases"], found["conformance"]) == (1, None)
    assert found["rejected"] == {
        "count": 1,
        "first": [{"place": "line 5", "why": "it has no activity"}],
    }


def test_bad_rows_are_told(log, cli):
    told = cli("report", "--csv", log)
    assert "1 events could not be read" in told.stderr
    assert "line 5: it has no activity" in told.stderr


def test_a_log_that_was_written_is_read_again(log, tmp_path, ask):
    xes = tmp_path / "log.xes"
    first, _ = ask("report", "--csv", log, "--to-xes", xes)
    again, _ = ask("report", "--xes", xes)
    assert again["variants"] == first["variants"]
    assert again["steps"] == first["steps"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "a report is about one log"),
        (["--csv", "LOG", "--xes", "LOG"], "a report is about one log"),
        (["--csv", "LOG", "--case", "who"], "no column 'who'"),
        (["--csv", "LOG", "--to-ocel", "x.json"], "cannot be written as OCEL"),
        (["--csv", "LOG", "--since", "soon"], "neither an age nor a date"),
        (["--xes", "LOG"], "cannot be read as XES"),
    ],
)
def test_wrong_options_are_told(log, cli, options, told):
    done = cli("report", *(str(log) if option == "LOG" else option for option in options))
    assert done.exit_code == 2
    assert told in " ".join(done.stderr.split())
