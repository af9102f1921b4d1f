"""What is written can be read again and tells the same; other tools' rules are kept."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concertmaster.errors import ConfigError
from concertmaster.evaluation.process import (
    Case,
    Event,
    Log,
    analyse,
    log_of,
    read_ocel,
    read_xes,
    to_ocel,
    write_xes,
)
from concertmaster.evaluation.process.log import in_order
from concertmaster.evaluation.process.ocel import ocel_problems

T0 = datetime(2026, 9, 1, 8, tzinfo=UTC)

NAMES = st.text(
    st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=8
).filter(str.strip)


@st.composite
def events(draw):
    begun = T0 + timedelta(seconds=draw(st.integers(0, 1000)))
    lasted = timedelta(microseconds=draw(st.integers(0, 10**7)))
    return Event(
        activity=draw(st.sampled_from(["a", "b", "<&\"'>", "ü"]) | NAMES),
        begun=draw(st.sampled_from([begun, None])),
        at=begun + lasted,
        away=draw(st.sampled_from([0.0, 0.125])),
        resource=draw(st.none() | NAMES),
        cost=draw(st.floats(0, 1e6)),
    )


cases = st.lists(
    st.builds(
        Case,
        id=NAMES,
        events=st.lists(events(), min_size=1, max_size=6).map(in_order),
        outcome=st.none() | st.sampled_from(["answered", "refused"]),
        intent=st.none() | NAMES,
        retries=st.integers(0, 3),
        revisions=st.integers(0, 3),
    ),
    max_size=4,
    unique_by=lambda case: case.id,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases)
def test_xes_read_back_gives_the_same_figures(tmp_path, found):
    log = Log.of("desk", found)
    file = tmp_path / "log.xes"
    file.write_text("".join(write_xes(log)), encoding="utf-8")
    read = read_xes(file)
    assert read.rejected == ()
    assert analyse(read) == analyse(log)


def test_xes_keeps_the_formats_rules(reviewed):
    root = ElementTree.fromstring("".join(write_xes(log_of("desk", reviewed.events))))
    space = "{http://www.xes-standard.org/}"
    assert root.tag == f"{space}log"
    float(root.attrib["xes.version"])
    order = ["extension", "global", "classifier", "string", "trace"]
    tags = [child.tag.removeprefix(space) for child in root]
    assert tags == sorted(tags, key=order.index)
    declared = {e.attrib["prefix"] for e in root.iter(f"{space}extension")}
    kinds = {f"{space}{name}" for name in ("string", "date", "int", "float", "boolean", "id")}
    for event in root.iter(f"{space}event"):
        keys = [child.attrib["key"] for child in event]
        assert len(keys) == len(set(keys))
        assert {"concept:name", "time:timestamp", "lifecycle:transition"} <= set(keys)
        assert all(child.tag in kinds and set(child.attrib) == {"key", "value"} for child in event)
        assert {key.split(":")[0] for key in keys if ":" in key} <= declared


def test_characters_that_xml_cannot_hold_are_replaced(tmp_path):
    case = Case(id="c\x00\ud800", events=(Event(activity="a\x0b", at=T0),))
    file = tmp_path / "log.xes"
    file.write_text("".join(write_xes(Log.of("\ufffe", [case]))), encoding="utf-8")
    (read,) = read_xes(file).cases
    assert (read.id, read.path) == ("c\ufffd\ufffd", ("a\ufffd",))


def test_ocel_keeps_the_formats_rules_and_reads_back(tmp_path, reviewed):
    document = to_ocel(reviewed.events)
    assert ocel_problems(document) == []
    file = tmp_path / "log.json"
    file.write_text(json.dumps(document))
    (case,) = read_ocel(file).cases
    assert case.id == "run:run-1"
    assert case.path == tuple(event.type for event in reviewed.events)
    assert len(read_ocel(file, "thread").cases) == 1


def test_ocel_names_nobody_and_repeats_no_words(reviewed):
    said = [replace_why(e, "Ana's order 1042") for e in reviewed.events]
    text = json.dumps(to_ocel(said))
    assert "ana" not in text.lower().replace("principal", "")
    assert '"li"' not in text
    assert "1042" not in text
    people = [o["id"] for o in to_ocel(said)["objects"] if o["type"] == "principal"]
    assert people == ["principal:1", "principal:2"]


def replace_why(event, why):
    return event.model_copy(update={"why": why})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.pop("objects"), "it has no list objects"),
        (lambda d: d["events"].append(d["events"][0]), "stands there twice"),
        (lambda d: d["events"][0].update(type="nothing"), "has no declared type"),
        (lambda d: d["events"][0].update(time="soon"), "has no time"),
        (lambda d: d["objects"].clear(), "is related to an object that is not there"),
        (lambda d: d["eventTypes"][0].update(attributes=[{"name": "x", "type": "y"}]), "no type"),
    ],
)
def test_breaks_of_the_formats_rules_are_found(tmp_path, reviewed, change, problem):
    document = to_ocel(reviewed.events)
    change(document)
    assert any(problem in one for one in ocel_problems(document))
    file = tmp_path / "log.json"
    file.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="is no OCEL"):
        read_ocel(file)


def test_a_case_keeps_its_place_whatever_comes_first():
    early = Case(id="b", events=(Event(activity="x", at=T0),))
    late = replace(early, id="a", events=(Event(activity="x", at=T0 + timedelta(seconds=9)),))
    assert [case.id for case in Log.of("desk", [late, early]).cases] == ["b", "a"]
