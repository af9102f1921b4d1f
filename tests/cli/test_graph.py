import xml.etree.ElementTree as ET

import pytest

NODES = ("intake", "supervisor", "search", "executor", "authorize", "human_review", "act", "finish")


def test_mermaid_names_every_node(cli, workspace):
    text = cli("graph", workspace).stdout
    assert "graph TD" in text
    for node in NODES:
        assert node in text


def test_svg_is_well_formed_and_complete(cli, workspace, tmp_path):
    file = tmp_path / "graph.svg"
    assert cli("graph", workspace, "svg", "--output", file).exit_code == 0
    root = ET.fromstring(file.read_text())
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(NODES) | {"needs a person", "allowed", "denied"} <= texts
    assert cli("graph", workspace, "svg", "--output", file).exit_code == 2


def test_graph_is_drawn_without_a_home(cli, workspace, home):
    assert cli("graph", workspace, "svg").exit_code == 0
    assert list(home.iterdir()) == []


def test_graph_as_a_document(ask, workspace):
    found, code = ask("graph", workspace)
    assert code == 0
    assert set(NODES) <= set(found["nodes"])
    assert {"from": "authorize", "to": "human_review", "conditional": True} in found["edges"]


@pytest.mark.parametrize("form", ["png", "dot"])
def test_unknown_form_is_refused(cli, workspace, form):
    assert cli("graph", workspace, form).exit_code == 2
