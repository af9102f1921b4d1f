"""What the how-to pages show of a workspace's files is read as such files are."""

import re
from pathlib import Path

import pytest
import yaml

from concertmaster.contracts.model import ModelsFile
from concertmaster.contracts.spec import (
    IntentsFile,
    PlaybooksFile,
    PrincipalsFile,
    WorkflowSpec,
)
from concertmaster.graphs.view import ROUTE_FIELDS
from concertmaster.policies.conditions import Expression
from concertmaster.retrieval.front_matter import split_head
from concertmaster.serving.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "workflow.yaml": WorkflowSpec,
    "intents.yaml": IntentsFile,
    "models.yaml": ModelsFile,
    "playbooks.yaml": PlaybooksFile,
    "principals.yaml": PrincipalsFile,
    "server.yaml": Settings,
}
# What a snippet of the workflow leaves out.
REST = {
    "workflow": "desk",
    "steps": [{"id": "one", "agent": "retriever"}],
    "routes": [{"to": "finish"}],
}
SNIPPETS = [
    pytest.param(file, text, id=f"{page.stem}-{number}")
    for page in sorted((ROOT / "docs" / "how-to").glob("*.md"))
    for number, (file, text) in enumerate(
        re.findall(r"(?ms)^```yaml\n# ([^\n]+)\n(.*?)^```$", page.read_text("utf-8"))
    )
]


def test_every_snippet_says_which_file_it_is_from():
    pages = [p.read_text("utf-8") for p in (ROOT / "docs" / "how-to").glob("*.md")]
    assert sum(page.count("```yaml") for page in pages) == len(SNIPPETS) > 0


@pytest.mark.parametrize(("file", "text"), SNIPPETS)
def test_snippet_can_be_read(file: str, text: str):
    if file == "front matter":
        head, _ = split_head(f"---\n{text}---\n")
        assert head.readers
        return
    model, value = FILES[file], yaml.safe_load(text)
    read = model.model_validate({**REST, **value} if model is WorkflowSpec else value)
    for route in getattr(read, "routes", ()):
        if route.when:
            Expression.compile(route.when, ROUTE_FIELDS)
    for step in value.get("steps", ()):
        unsaid = {"agent", "owner", "input", "model", "tools", "permission", "review", "timeout",
                  "success_metric", "retry", "fallback"} - set(step)  # fmt: skip
        assert unsaid == set()
