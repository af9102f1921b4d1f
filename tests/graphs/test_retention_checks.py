"""The section `retention:` as the readiness gate sees it."""

import pytest

from concertmaster.graphs.readiness import check

WORKFLOW = "workflow.yaml"
STEPS = "steps:\n"


def declared(changed, text):
    """Write the section, line by line, before the steps."""
    changed(WORKFLOW, STEPS, f"{text}\n{STEPS}")


@pytest.mark.parametrize(
    "text",
    [
        "retention: {checkpoints: {per_thread: 50, after: 7d}, threads: {after: 90d, most: 100000},"
        " payloads: {after: 30d}}",
        "retention: {every: 6h}",
        "retention: {messages: {after: 30d}, threads: {after: 2y}}",
    ],
)
def test_sound_retention_passes(changed, text):
    declared(changed, text)
    assert check(changed.folder) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("retention: {threads: {after: 90}}  #!", "is no age"),
        ("retention: {threads: {}}  #!", "write 'after' or 'most'"),
        ("retention: {thread: {after: 90d}}  #!", "thread"),
        ("retention: {threads: {most: 0}}  #!", "most"),
        ("retention: {threads: {after: 0d}}  #!", "after"),
        ("retention: {threads: {after: -3d}}  #!", "is no age"),
    ],
)
def test_unsound_retention_is_an_error_with_its_line(changed, text, words):
    declared(changed, text)
    errors = [p for p in check(changed.folder) if p.severity == "error"]
    assert errors
    assert all((p.file, p.line) == changed.at() for p in errors)
    assert words in errors[0].message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("limits: {checkpoints: 9}\nretention: {checkpoints: {per_thread: 5}}  #!", "checkpoints"),
        ("retention: {threads: {after: 30d}, runs: {after: 60d}}  #!", "outlived"),
        ("retention: {messages: {after: 30d}}  #!", "remembered"),
        ("retention: {every: 1d, threads: {after: 2h}}  #!", "late"),
    ],
)
def test_bounds_that_do_not_do_what_they_say_are_told(changed, only, text, code):
    declared(changed, text)
    assert only(f"retention-{code}", "warning").hint
