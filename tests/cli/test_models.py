import pytest

from concertmaster.testing import Status, openai_server

RULES = "rules: [{id: careful, when: \"risk == 'high'\", tier: best, why: a mistake is dear}]\n"


@pytest.fixture
def modelled(workspace):
    """Return a function that declares models, one a mapping in YAML's flow style."""
    flow = workspace / "workflow.yaml"
    head, tail = flow.read_text().split("- id: responder")
    need = "model: {need: chat, tier: capable, clearance: internal}"
    flow.write_text(f"{head}- id: responder{tail.replace('model: none', need, 1)}")

    def declare(*models: str, more: str = RULES):
        listed = "\n".join(f"  - {{{model}}}" for model in models)
        (workspace / "models.yaml").write_text(f"models:\n{listed}\n{more}")
        return workspace

    return declare


def test_list_tells_what_each_model_is_and_lacks(modelled, ask, monkeypatch):
    monkeypatch.delenv("FAR_KEY", raising=False)
    folder = modelled(
        "name: near, use: 'http://127.0.0.1:9/v1#small', tier: small",
        "name: far, use: 'openai:gpt-4o-mini', key: FAR_KEY, region: eu",
        "name: odd, use: 'https://models.example/v1'",
    )
    (near, far, odd), code = ask("models", "list", folder)
    assert code == 0
    assert (near["tier"], near["clearance"], near["lacks"]) == ("small", "restricted", None)
    assert (far["region"], far["price_known"], far["key"]) == ("eu", True, False)
    assert far["lacks"] == "needs the environment variable FAR_KEY"
    assert "export FAR_KEY" in far["fix"]
    assert odd["price_known"] is False


def test_explain_ranks_with_costs_and_tells_why_others_are_passed_over(modelled, ask):
    folder = modelled(
        "name: dear, use: 'http://h/v1#a', tier: best, price: {input: 10, output: 30}",
        "name: cheap, use: 'http://h/v1#b', price: {input: 1, output: 3}",
        "name: tiny, use: 'http://h/v1#c', tier: small, price: {input: 0, output: 0}",
    )
    found, code = ask("models", "explain", folder, "responder", "--tokens", 2000)
    assert code == 0
    assert [(one["name"], one["cost"]) for one in found["fitting"]] == [
        ("cheap", pytest.approx((2000 * 1 + 500 * 3) / 1e6)),
        ("dear", pytest.approx((2000 * 10 + 500 * 30) / 1e6)),
    ]
    assert found["fitting"][0]["score"] < found["fitting"][1]["score"]
    assert found["passed_over"] == {"tiny": "is of tier small, below capable"}


def test_explain_supposes_a_risk_and_a_level_of_data(modelled, ask, cli):
    folder = modelled(
        "name: dear, use: 'http://h/v1#a', tier: best", "name: cheap, use: 'http://h/v1#b'"
    )
    found, code = ask("models", "explain", folder, "responder", "--risk", "high")
    assert ([one["name"] for one in found["fitting"]], code) == (["dear"], 0)
    assert found["rules"] == ["careful: a mistake is dear"]
    shown = cli("models", "explain", folder, "responder", "--confidentiality", "restricted")
    assert shown.exit_code == 1
    assert "no model fits" in shown.stdout
    assert "passed over: cheap is cleared for internal data; this is restricted" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nobody",), "there is no step 'nobody'"),
        (("critic",), "step 'critic' needs no model"),
        (("responder", "--as", "eve"), "there is no principal 'eve'"),
        (("responder", "--intent", "none"), "there is no intent 'none'"),
    ],
)
def test_explain_names_what_it_does_not_know(modelled, cli, arguments, told):
    result = cli("models", "explain", modelled("name: a, use: 'http://h/v1#a'"), *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_test_asks_each_model_and_ends_with_1_if_one_does_not_answer(modelled, ask):
    with (
        openai_server("ready", '{"word": "green"}') as good,
        openai_server(otherwise=Status(401)) as bad,
    ):
        folder = modelled(
            f"name: good, use: '{good.url}#m'", f"name: bad, use: '{bad.url}#m', attempts: 1"
        )
        (first, second), code = ask("models", "test", folder)
        assert code == 1
        assert (first["answers"], first["structured"], first["why"]) == (True, True, None)
        assert first["seconds"] > 0
        assert second["answers"] is False
        assert "HTTP 401" in second["why"]
        assert ask("models", "test", folder, "--only", "bad")[1] == 1


def test_test_tells_of_a_model_that_cannot_answer_in_a_form(modelled, ask):
    with openai_server(otherwise="I like green things.") as server:
        (row,), code = ask("models", "test", modelled(f"name: a, use: '{server.url}#m'"))
    assert (code, row["answers"], row["structured"]) == (0, True, False)


def test_tables_fit_in_80_columns(modelled, cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder = modelled(
        "name: a-model-with-quite-a-long-name, use: 'http://127.0.0.1:9/v1#some/long-model-name',"
        " region: europe-west4"
    )
    for arguments in (("list", folder), ("explain", folder, "responder")):
        lines = cli("models", *arguments).stdout.splitlines()
        tables = [line for line in lines if not line.startswith(("passed", "responder"))]
        assert max(map(len, tables)) <= 80
