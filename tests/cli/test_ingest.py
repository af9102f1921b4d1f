import json

import pytest


@pytest.fixture
def folder(tmp_path):
    """Return a folder of documents outside of the workspace."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "zeppelins.md").write_text("# Zeppelins\n\nWe rent zeppelins for 900 euros a day.\n")
    (place / "empty.md").write_text("\n")
    (place / "picture.png").write_bytes(b"\x89PNG")
    return place


def test_report_counts_what_changed(ask, workspace):
    first, code = ask("ingest", workspace)
    assert (first["added"], first["unchanged"], code) == (1, 0, 0)
    (workspace / "knowledge" / "hours.md").write_text("# Hours\n\nOpen from nine to five.\n")
    (workspace / "knowledge" / "parcels.md").write_text("# Parcels\n\nA parcel takes two days.\n")
    second, _ = ask("ingest", workspace)
    assert (second["added"], second["updated"], second["deleted"]) == (1, 1, 0)
    (workspace / "knowledge" / "hours.md").unlink()
    assert ask("ingest", workspace)[0]["deleted"] == 1


def test_what_is_skipped_is_named_with_its_reason(cli, workspace, folder):
    result = cli("ingest", workspace, "--from", folder)
    assert result.exit_code == 0
    assert "2 added" in result.stdout
    assert "2 skipped" in result.stdout
    assert "empty.md: has no text" in result.stdout
    assert "picture.png: is of no kind that is read (.csv, .docx, .htm" in result.stdout
    assert "passages embedded" in result.stderr


def test_documents_from_elsewhere_stay_when_the_workspace_is_opened(ask, workspace, folder):
    question = "How much is a zeppelin a day?"
    assert ask("run", workspace, question, "--as", "reader")[0]["status"] == "escalated"
    ask("ingest", workspace, "--from", folder)
    for _ in range(2):
        run, _ = ask("run", workspace, question, "--as", "reader")
        assert run["status"] == "answered"
        assert "900 euros" in run["outcome"]["text"]


def test_json_lines_are_documents(ask, workspace, tmp_path):
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"id": "d1", "title": "Opening", "content": "Open on Sundays."}))
    report, code = ask("ingest", workspace, "--from", file)
    assert (report["added"], code) == (2, 0)


def test_rebuilt_index_holds_the_same(ask, workspace, folder):
    ask("ingest", workspace, "--from", folder)
    rebuilt, code = ask("ingest", workspace, "--rebuild")
    assert (rebuilt["added"], rebuilt["unchanged"], code) == (2, 0, 0)


def test_ingest_is_in_the_trail(ask, workspace):
    ask("ingest", workspace)
    events, _ = ask("audit", "show", "--type", "knowledge.ingested")
    assert events[-1]["data"]["added"] == 1


def test_source_that_is_not_there(cli, workspace, tmp_path):
    result = cli("ingest", workspace, "--from", tmp_path / "nowhere")
    assert result.exit_code == 3
    assert "nowhere" in result.stderr


def test_workspace_without_knowledge(cli, workspace):
    file = workspace / "workflow.yaml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("knowledge:")]
    file.write_text("\n".join(lines))
    result = cli("ingest", workspace)
    assert result.exit_code == 2
    assert "declares no knowledge" in result.stderr
