from concertmaster.contracts.spec import PlaybookSpec
from concertmaster.graphs.constants import constants_of


def playbook(**arguments):
    call = {"key": "pay", "tool": "pay", "arguments": arguments}
    slot = {"name": "why", "type": "enum", "values": {"damaged": ["broken"]}}
    return PlaybookSpec.model_validate({"name": "pay", "slots": [slot], "calls": [call]})


def test_literals_texts_in_expressions_and_enum_values_are_the_owners():
    found = constants_of(playbook(currency="EUR", days=14, why="=slots.why == null ? 'other' : 1"))
    assert found == ["EUR", 14, "other", "damaged"]


def test_names_and_numbers_in_expressions_are_no_constants():
    found = constants_of(playbook(amount="=results.order.total_cents - 500"))
    assert found == ["damaged"]
