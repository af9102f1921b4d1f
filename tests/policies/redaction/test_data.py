"""What people really write is left alone: the samples' own texts, and two public data sets."""

import json
from pathlib import Path

import pytest

from concertmaster.policies.redaction import Redactor

ROOT = Path(__file__).resolve().parents[3]
ALL = Redactor(regions=("GB", "US", "DE"))
NARROW = Redactor(("card", "secret", "iban"))
TEXTS = sorted(
    path
    for pattern in ("conversations.yaml", "intents.yaml", "playbooks.yaml", "knowledge/**/*.md")
    for path in ROOT.glob(f"examples/*/{pattern}")
)


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT / "examples")))
def test_samples_hold_nothing_that_is_taken_for_something_dangerous(path: Path):
    assert NARROW.redact(path.read_text("utf-8")).found == ()


def test_samples_hold_no_false_telephone_numbers_or_addresses():
    found = {}
    for path in TEXTS:
        for finding in Redactor().redact(path.read_text("utf-8")).found:
            found.setdefault(finding.kind, []).append(path.name)
    # The hotline of the sample shop, and addresses that are addresses.
    assert found["phone"] == ["contact.md"]
    assert set(found) == {"phone", "email"}


@pytest.mark.parametrize(
    "file", ["banking77/train.jsonl", "clinc150/train.jsonl", "clinc150/val.jsonl"]
)
def test_nothing_is_found_in_public_questions(shared_data: Path, file: str):
    path = shared_data / file
    if not path.is_file():
        pytest.skip(f"no {file} in {shared_data}")
    texts = [t for line in path.read_text("utf-8").splitlines() for t in strings(json.loads(line))]
    assert len(texts) > 1000
    found = {text: ALL.redact(text).found for text in texts}
    assert {text: f for text, f in found.items() if f} == {}


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in strings(item)]
