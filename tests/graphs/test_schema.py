import pytest
import yaml
from jsonschema import Draft202012Validator

from concertmaster.errors import ConfigError
from concertmaster.graphs.scaffold import templates
from concertmaster.graphs.schema import json_schema
from concertmaster.graphs.workspace import FILES


def errors(name, value):
    return [e.message for e in Draft202012Validator(json_schema(name)).iter_errors(value)]


@pytest.mark.parametrize("name", [None, *FILES])
def test_schema_is_sound_and_says_which_dialect(name):
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", FILES)
def test_schema_has_titles_and_descriptions(name):
    schema = json_schema(name)
    assert schema["title"] == f"{name}.yaml"
    for part in (schema, *filter(None, schema["$defs"].values())):  # {} is any JSON
        assert part["title"]
        assert part["description"].rstrip()[-1] in ".)`"
        assert ">>>" not in part["description"]


@pytest.mark.parametrize("sample", templates())
@pytest.mark.parametrize("name", FILES)
def test_samples_fit_the_schemas(root, sample, name):
    file = root / "examples" / sample / f"{name}.yaml"
    if file.is_file():
        assert errors(name, yaml.safe_load(file.read_text("utf-8"))) == []


def step(**changes):
    return {
        "workflow": "desk",
        "steps": [{"id": "a", "agent": "critic", **changes}],
        "routes": [{"to": "a"}],
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout": "20s"},
        {"timeout": "1.5m"},
        {"timeout": 3},
        {"review": "none"},
        {"review": {"mode": "always", "roles": ["finance"]}},
        {"model": "none"},
        {"model": {"need": "chat"}},
    ],
)
def test_every_accepted_form_fits(changes):
    FILES["workflow"].model_validate(step(**changes))
    assert errors("workflow", step(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout": "soon"},
        {"timeout": 0},
        {"timeout": 90000},
        {"review": "sometimes"},
        {"review": {"mood": "always"}},
        {"model": "small"},
        {"model": {"need": "chat", "tier": "huge"}},
        {"ownr": "ops"},
    ],
)
def test_what_the_models_refuse_does_not_fit(changes):
    with pytest.raises(ValueError, match=r"steps\.0"):
        FILES["workflow"].model_validate(step(**changes))
    assert errors("workflow", step(**changes))


def test_all_files_stand_in_one_schema():
    schema = json_schema()
    assert set(FILES) < set(schema["$defs"])
    one = {"$ref": "#/$defs/intents", "$defs": schema["$defs"]}
    assert Draft202012Validator(one).is_valid({"intents": []})
    assert not Draft202012Validator(one).is_valid({"intnts": []})


def test_unknown_file_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError) as caught:
        json_schema("playbook")
    assert caught.value.hint == "did you mean 'playbooks'?"
