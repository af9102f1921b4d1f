"""The forms in which a value may stand in somebody's words."""

from typing import Any

import pytest

from concertmaster.contracts import ToolShape
from concertmaster.policies.provenance import Source, Sources, trace

ENUM = {"properties": {"cabin": {"enum": ["basic_economy", "business"]}}}


def origin(name: str, value: Any, said: Any, trust: str = "principal", **shape: Any) -> str:
    """Return the worst origin of an argument's values with one source; `none` without values."""
    tool = ToolShape(name="tool", effect="write", **shape)
    found = trace(tool, {name: value}, Sources(Source("s", trust, said)))
    order = ("none", "principal", "trusted", "untrusted", "composed")
    return max((value.origin for value in found.values), key=order.index, default="none")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        # words
        ("to", "Ana", "pay ana please"),
        ("to", "Ana", "it is Ana's order"),
        ("to", "Ana", "(Ana), not Bob"),
        ("to", "Ana", "Ana/Bob"),
        ("to", "alice", "send it to @alice"),
        ("note", "the big order", "The  BIG\n order"),
        ("note", 'say "hi"', "say “hi”"),
        ("note", "it's fine – really", "it’s fine - really"),
        ("note", "Straße", "STRASSE"),
        ("note", "café", "cafe\u0301"),
        ("note", "order", "or\u200bder"),
        ("note", "order", "\u202eorder\u202c"),
        ("note", "Ｏｒｄｅｒ", "order"),
        ("note", "bob", "send it to Bob—he waits"),
        ("to", "bob", "给Bob发邮件"),
        # numbers
        ("n", 1200.5, "1,200.50"),
        ("n", 1200.5, "1.200,50"),
        ("n", 1200.5, "1200.5"),
        ("n", 1200.5, "1 200,50"),
        ("n", 1200.5, "1\u202f200,50"),
        ("n", 1200.5, "1'200.50"),
        ("n", 1200, "1,200"),
        ("n", 1200, "1 200"),
        ("n", 1234567, "1.234.567"),
        ("n", 1.205, "1.205"),
        ("n", 1205, "1.205 euros"),
        ("n", 0.5, "0,5"),
        ("n", 5, "5."),
        ("n", 5, "(5)"),
        ("n", 5, "5%"),
        ("n", 5, "5 kg"),
        ("n", 5, "5kg"),
        ("n", -5, "-5"),
        ("n", 2, "two tickets"),
        ("n", 20, "Twenty"),
        ("n", 1042, "order #1042"),
        ("n", 7, "id:7"),
        ("n", 7, '{"id":7,"b":8}'),
        ("n", 1200.0, "1200"),
        ("n", "1200.50", "1,200.5"),
        ("n", "1,200.50", "1200.5"),
        # money
        ("amount", 20, "20 euros"),
        ("amount", 20, "$20"),
        ("amount", 20, "EUR 20.00"),
        ("amount", 20, "20€"),
        ("amount", 20, "20 €, please"),
        ("amount", 20, "eur20"),
        ("amount", "20 EUR", "€20"),
        ("amount", "$20.00", "20 dollars"),
        ("currency", "EUR", "20 euros"),
        ("currency", "GBP", "£3"),
        ("amount_cents", 2000, "20 euros"),
        ("amount_cents", 1999, "$19.99"),
        ("amount_minor", 120050, "1.200,50 EUR"),
        ("amount_pence", 50, "50p"),
        ("amount_cents", 2000.0, "20 euros"),
        ("total_cents", 123456789012345678901234567891, "1234567890123456789012345678.91"),
        ("amount_cents", 50, "50 cents"),
        ("amount", 0.5, "50 cents"),
        # dates and times
        ("day", "2024-05-26", "2024-05-26"),
        ("day", "2024-05-26", "26.05.2024"),
        ("day", "2024-05-26", "May 26th"),
        ("day", "2024-05-26", "on May 26th, 2024."),
        ("day", "2024-05-26", "26 May"),
        ("day", "2024-05-26", "the 26th of May 2024"),
        ("day", "2024-05-26", "05/26/2024"),
        ("day", "2024-05-26", "26/05/2024"),
        ("day", "May 26th", "2024-05-26"),
        ("day", "05/06/2024", "on 05/06/2024"),
        ("time", "14:30", "2:30pm"),
        ("time", "14:30", "at 2:30 p.m."),
        ("time", "14:00", "2pm"),
        ("time", "2 PM", "14:00"),
        ("time", "12:00", "at noon"),
        ("start", "2024-05-26T14:30", "May 26 at 2:30pm"),
        ("start", "2024-05-26T14:30:00Z", "2024-05-26 14:30"),
        ("start", "2024-05-26 14:30", "2024-05-26T14:30:00"),
        # addresses, links
        ("to", "bob@x.com", "write to Bob@X.com."),
        ("to", "bob@x.com", "<bob@x.com>"),
        ("to", "bob@x.com", "mailto:bob@x.com?subject=hi"),
        ("to", "mailto:bob@x.com", "bob@x.com"),
        ("to", ["bob@x.com", "ana@x.com"], "ana@x.com and bob@x.com"),
        ("to", "bob@x.com, ana@x.com", "ana@x.com and bob@x.com"),
        ("to", "bob@x.com;ana@x.com", "ana@x.com and bob@x.com"),
        ("to", "Bob Jones <bob@x.com>", "Bob Jones has bob@x.com"),
        ("to", '"Bob" <bob@x.com>, ana@x.com', "bob bob@x.com ana@x.com"),
        ("url", "https://good.com/Path", "see http://GOOD.com/Path/."),
        ("url", "http://good.com", "(good.com)"),
        ("url", "good.com/a_(b)", "https://good.com/a_(b)"),
        ("url", "https://good.com/?q=1", "[here](https://good.com/?q=1)"),
        # accounts, cards, phones
        ("iban", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00 please"),
        ("iban", "DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("iban", "AT611904300234573201", "AT61 1904 3002 3457 3201 from me"),
        ("card", "4111111111111111", "4111-1111-1111-1111"),
        ("phone", "+491701234567", "+49 170 1234567"),
        ("phone", "(555) 123-4567", "555 123 4567"),
        ("account", 12345678, "account 12345678"),
        # ids
        ("order", "#1042", "order 1042"),
        ("order", "1042", "order #1042"),
        ("order", "ORD-1042", "cancel ord-1042, please"),
        ("order", "0042", "order 0042"),
        ("file", "landlord-notices.txt", "read 'landlord-notices.txt'"),
        # declared choices
        ("cabin", "basic_economy", "a basic economy seat"),
        # lists
        ("items", ["bread", "milk"], "milk and bread"),
        ("items", [{"name": "milk", "count": 2}], "milk, 2; name, count"),
    ],
)
def test_value_is_found_in_its_other_form(name: str, value: Any, said: str):
    shape = {"arguments": ENUM} if name == "cabin" else {}
    assert origin(name, value, said, **shape) == "principal"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("n", 1200, "1.200"),
        ("n", 1.2, "1,200"),
        ("n", 200, "1,200"),
        ("n", 20, "20k"),
        ("n", 20, "20 thousand"),
        ("n", 20, "2024-05-20"),
        ("n", 20, "10:20"),
        ("n", 5, "-5"),
        ("n", -5, "10-5"),
        ("n", 5, "v5"),
        ("n", 5, "1.5.2"),
        ("n", 42, "0.42"),
        ("n", 1042, "21042"),
        ("n", 1042, "10421"),
        ("n", "42", "0042"),
        ("n", "0042", "42"),
        ("amount", 2000, "20 euros"),
        ("amount", 50, "50 cents"),
        ("amount_cents", 20, "20 euros"),
        ("total_cents", 123456789012345678901234567892, "1234567890123456789012345678.91"),
        ("amount_cents", 5000, "5000"),
        ("amount", "20 USD", "20 euros"),
        ("currency", "USD", "20 euros"),
        ("day", "2024-05-26", "May 27th"),
        ("day", "2024-05-26", "May 26th, 2023"),
        ("day", "2024-06-05", "05/06/2024"),
        ("day", "2024-05-06", "05/06/2024"),
        ("day", "2024-13-01", "May 26th"),
        ("time", "14:30", "2:30"),
        ("time", "02:30", "2:30pm"),
        ("start", "2024-05-26T14:30", "May 26"),
        ("start", "2024-05-26T14:30", "at 14:30"),
        ("start", "2024-05-26T14:30:00+02:00", "2024-05-26 14:30"),
        ("cabin", "business", "a basic economy seat"),
    ],
)
def test_another_value_is_not_found(name: str, value: Any, said: str):
    shape = {"arguments": ENUM} if name == "cabin" else {}
    assert origin(name, value, said, **shape) == "composed"


@pytest.mark.parametrize("trust", ["principal", "trusted", "untrusted"])
@pytest.mark.parametrize("value", [7, "7", "bob@x.com", "Bob", "https://x.com/a", "2024-05-26"])
def test_origin_is_the_standing_of_the_source(trust: str, value: Any):
    said = "7, Bob, bob@x.com, https://x.com/a, 2024-05-26"
    assert origin("a", value, said, trust) == trust


def test_numbers_of_json_are_numbers():
    assert origin("amount", 1.205, {"total": 1.205}, "trusted") == "trusted"
    assert origin("amount", 1205, {"total": 1.205}, "trusted") == "composed"
    assert origin("order_id", "1042", {"order": 1042}, "trusted") == "trusted"


def test_minor_units_of_json_are_told_by_their_key():
    order = {"total_cents": 5000}
    assert origin("amount_cents", 5000, order, "trusted") == "trusted"
    assert origin("amount", 50, order, "trusted") == "trusted"
    assert origin("amount", 5000, order, "trusted") == "composed"
    assert origin("amount_cents", 5000, '{"total_cents": 5000}', "trusted") == "trusted"
    assert origin("amount", 5000, '{"total_cents": 5000}', "trusted") == "composed"
    assert origin("amount_cents", 5000, {"amount": 5000}, "trusted") == "composed"


def test_keys_of_json_prove_nothing():
    assert origin("to", "bob@x.com", {"bob@x.com": 1}) == "composed"
    assert origin("to", "bob@x.com", {"to": "bob@x.com"}) == "principal"


def test_nothing_is_found_across_two_values_of_json():
    assert origin("note", "lunch with Sarah", ["lunch with", "Sarah"], "trusted") == "composed"


def test_true_and_false_stand_nowhere():
    assert origin("urgent", True, "true yes urgent", "principal") == "composed"
    assert origin("urgent", False, {"urgent": False}, "trusted") == "composed"


@pytest.mark.parametrize("value", [None, "", "  \n", [], {}, [None, ""], {"a": None}])
def test_nobody_chose_what_is_empty(value: Any):
    shape = {"arguments": {"properties": {"x": {"properties": {"a": {}}}}}}
    assert origin("x", value, "hello", **shape) == "none"


@pytest.mark.parametrize(
    ("value", "default", "chosen"),
    [
        (10, 10, False),
        (10.0, 10, False),
        (True, True, False),
        (True, 1, True),
        (1, True, True),
        ("euro", "euro", False),
        (["a"], ["a"], False),
        (["a", "b"], ["a"], True),
        ({"a": [1]}, {"a": [1]}, False),
        ({"a": [True]}, {"a": [1]}, True),
    ],
)
def test_nobody_chose_the_declared_default(value: Any, default: Any, chosen: bool):
    shape = {"arguments": {"properties": {"x": {"default": default}}}}
    assert (origin("x", value, "hello", **shape) != "none") is chosen


def test_defaults_and_choices_are_found_behind_references():
    schema = {
        "$defs": {
            "Seat": {"properties": {"kind": {"$ref": "#/$defs/Kind", "default": "window"}}},
            "Kind": {"enum": ["window", "exit_row"]},
        },
        "properties": {"seats": {"items": {"anyOf": [{"$ref": "#/$defs/Seat"}, {"type": "null"}]}}},
    }
    assert origin("seats", [{"kind": "window"}], "hello", arguments=schema) == "none"
    said = "I want the exit row"
    assert origin("seats", [{"kind": "exit_row"}], said, arguments=schema) == "principal"
    assert origin("seats", [{"kind": "exit_row"}], "hello", arguments=schema) == "composed"


def test_undeclared_keys_are_values_too():
    shape = ToolShape(
        name="tool",
        effect="write",
        arguments={"properties": {"fields": {"properties": {"city": {}}}}},
    )
    said = Sources(Source("s", "principal", "Rome"))
    found = trace(shape, {"fields": {"city": "Rome", "evil@x.com": "Rome"}}, said)
    assert [(v.path, v.origin) for v in found.values] == [
        ("fields.city", "principal"),
        ("fields{1}.key", "composed"),
        ("fields{1}", "principal"),
    ]


def test_a_common_word_must_stand_apart():
    assert origin("grade", "A", "give me a reason") == "composed"
    assert origin("grade", "A", "the grade: A") == "principal"
    assert origin("grade", "A", "the grade is 'A'") == "principal"
    assert origin("grade", "A", {"grade": "A"}, "trusted") == "trusted"


def test_every_source_of_the_best_standing_is_named():
    tool = ToolShape(name="tool", effect="write")
    found = trace(
        tool,
        {"to": "Bob"},
        Sources(
            Source("z", "trusted", "Bob"),
            Source("a", "trusted", {"name": "bob"}),
            Source("b", "untrusted", "Bob"),
            Source("c", "principal", "Rob"),
        ),
    )
    assert [(v.origin, v.sources) for v in found.values] == [("trusted", ("a", "z"))]


def test_only_a_listed_value_is_a_choice():
    schema = {"properties": {"x": {"anyOf": [{"enum": ["one_way"]}, {"type": "string"}]}}}
    assert origin("x", "one_way", "one way", arguments=schema) == "principal"
    assert origin("x", "two_way", "two way", arguments=schema) == "composed"


def test_undeclared_arguments_are_composed_and_not_named():
    tool = ToolShape(name="tool", effect="write", arguments={"properties": {"to": {}}})
    said = Sources(Source("s", "principal", "Bob, 4111 1111 1111 1111"))
    found = trace(tool, {"to": "Bob", "4111 1111 1111 1111": "Bob"}, said)
    assert [(v.argument, v.path, v.origin, v.embedded) for v in found.values] == [
        ("{0}", "{0}", "composed", True),
        ("to", "to", "principal", False),
    ]


def test_the_order_of_keys_does_not_matter():
    tool = ToolShape(name="tool", effect="write")
    said = Sources(Source("s", "principal", "Bob"))
    first = trace(tool, {"to": "Bob", "by": {"x": "Eve", "y": "Bob"}}, said)
    assert trace(tool, {"by": {"y": "Bob", "x": "Eve"}, "to": "Bob"}, said) == first
