"""Taking things out of text and JSON: what is found, what is not, that nothing else changes."""

import json
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from concertmaster.errors import ConfigError
from concertmaster.policies.redaction import KINDS, Finding, Redactor
from concertmaster.policies.redaction.cards import is_card
from concertmaster.policies.redaction.ibans import is_iban

ALL = Redactor()

FOUND = {
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "3782 822463 10005",
        "5555555555554444",
        "2223003122003222",
        "6011 1111 1111 1117",
        "3530111333300000",
        "６０１１１１１１１１１１１１１７",
        "٤١١١ ١١١١ ١١١١ ١١١١",
        "4111\u200b1111\u200b1111\u200b1111",
        "4111\u00a01111\u20091111\u202f1111",
        "4111–1111–1111–1111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣",
    ],
    "iban": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "de89 3704 0044 0532 0130 00",
        "GB82-WEST-1234-5698-7654-32",
        "NL91 ABNA 0417 1643 00",
        "FR1420041010050500013M02606",
        "NO93 8601 1117 947",
        "MT84MALT011000012345MTLCAST001S",
        "DE89\u200b3704 0044\u00a00532 0130 00",
    ],
    "email": [
        "ana@example.com",
        "ana.maria+news@mail.example.co.uk",
        "müller@bücher.example",
        "ana＠example.com",
        "ana\u200b@example.com",
        "o'neil@example.org",
    ],
    "phone": [
        "+44 20 7946 0958",
        "+1 (415) 555-2671",
        "0044 20 7946 0958",
        "415-555-2671",
        "(415) 555-2671",
        "(020) 7946 0958",
        "+４９ ３０ ９０１８２０",
    ],
    "secret": [
        "sk-proj-Ab3dEf6hIj9kLm2nOp5q",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0aBcDeFgHiJkL",
        "AKIAIOSFODNN7EXAMPLE",
        "xoxb-123456789012-abcdefghijkl",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dozjgNryP4J3jVmNHl0w5N",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ and then it breaks off",
    ],
}


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, ts in FOUND.items() for t in ts])
def test_kind_is_found_within_a_sentence(kind: str, text: str):
    redacted = ALL.redact(f"Hello, {text}")
    assert redacted.text == f"Hello, [{kind}]"
    assert redacted.found == (Finding(kind, 1),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my password is Tr0ub4dor&3, help", "my password is [secret], help"),
        ("password: hunter2", "password: [secret]"),
        ("Password=hunter2&user=ana", "Password=[secret]&user=ana"),
        ('{"password": "two words"}', '{"password": "[secret]"}'),
        ("the password for the shop is abc123.", "the password for the shop is [secret]."),
        ("mein Passwort lautet geheim1!", "mein Passwort lautet [secret]!"),
        ("API_KEY=9f8a7c6b", "API_KEY=[secret]"),
        ("Authorization: Basic dXNlcjpwYXNzMTIz", "Authorization: [secret]"),
        ("curl -H 'Bearer abc.def-123456'", "curl -H 'Bearer [secret]'"),
        ("postgres://bob:s3cret@db/x", "postgres://[secret]@db/x"),
        ("CVV 123, exp 12/27", "CVV [secret], exp 12/27"),
        ("my PIN is 4821", "my PIN is [secret]"),
        ("the verification code is 482193", "the verification code is [secret]"),
        ("here is my key: the one 9f8A7c6B5d4E3f2A1b0C9d", "here is my key: the one [secret]"),
        ("call me on 0171 1234567", "call me on [phone]"),
        ("my phone number is 077009 00123", "my phone number is [phone]"),
        ("Visa4242424242424242exp", "Visa[card]exp"),
    ],
)
def test_what_is_named_is_found(text: str, expected: str):
    assert ALL.redact(text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "I was charged twice for order 1042 on 2024-03-05, 129.95 EUR",
        "tracking ids 1Z999AA10123456784, RX123456789DE and 00340434292135100186",
        "4111111111111112 fails the check, 1234567890123452 has no issuer",
        "DE89370400440532013001 fails the check, XX89370400440532013000 has no country",
        "my password is not working and I forgot my password",
        "where do I reset the PIN? The pin was blocked",
        "the key question is whether tokens: 4096 is enough",
        "call me about order 12345678",
        "call me on 2024-03-05",
        "version 1.2.3-rc4, pkg@1.2.3, @ana, ana@localhost",
        "run-4111111111111111 and sha256:4111111111111111",
        "5f0c4111111111111111ab",
        "0.4242424242424242",
        "desk-support-and-escalation-team",
        "password: [secret], password: ********, token: <your token here>",
        "555-0199 is a short number, 10.0.0.1 an address, 20:15:30 a time",
        "",
    ],
)
def test_text_without_findings_is_unchanged(text: str):
    redacted = ALL.redact(text)
    assert redacted.text == text
    assert redacted.found == ()


def test_overlapping_findings_go_together_under_the_worse_kind():
    assert ALL.redact("ana.4111111111111111@example.com").text == "[card]"
    assert ALL.redact("password: ana@example.com").text == "password: [secret]"


def test_only_the_kinds_asked_for_are_taken_out():
    text = "4111111111111111 ana@example.com +44 20 7946 0958"
    assert Redactor(("email",)).redact(text).text == "4111111111111111 [email] +44 20 7946 0958"
    assert Redactor(()).redact(text).text == text


def test_counts_are_told_and_values_are_not():
    redacted = ALL.redact("a@b.example, c@d.example and 4111111111111111")
    assert redacted.found == (Finding("card", 1), Finding("email", 2))
    assert "4111" not in repr(redacted)


def test_numbers_of_a_declared_country_need_no_cue():
    text = "It is 020 7946 0958, order 12345678"
    assert ALL.redact(text).text == text
    assert Redactor(regions=("GB",)).redact(text).text == "It is [phone], order 12345678"


def test_own_patterns_are_found_and_leave_marks_alone():
    own = Redactor(patterns={"customer": r"\bC-\d{8}\b", "word": r"card"})
    redacted = own.redact("C-00001042, C-００００１０４３ paid with 4111111111111111")
    assert redacted.text == "[customer], [customer] paid with [card]"


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", "no regular expression"),
        (r"\d*", "empty"),
        (r"x?", "empty"),
        (r"(a+)+$", "bound"),
        (r"\d+", "bound"),
        (r"(\d{1,9}){1,9}x", "repeats what varies"),
        (r"(a|aa){1,30}b", "repeats a choice"),
        (r"\w{1,60}\w{1,60}!", "too many ways"),
        (r"(\d)\1", "refers back"),
        ("x" * 301, "300 characters"),
    ],
)
def test_pattern_that_is_wrong_or_slow_is_refused(pattern: str, told: str):
    with pytest.raises(ConfigError, match=told):
        Redactor(patterns={"own": pattern})


def test_unknown_kind_and_taken_name_are_refused():
    with pytest.raises(ConfigError, match="no kind"):
        Redactor(("cards",))
    with pytest.raises(ConfigError, match="built-in"):
        Redactor(patterns={"card": "x"})


def test_json_is_redacted_with_its_keys_and_numbers():
    value = {
        "ana@example.com": [1, "4111 1111 1111 1111", 4111111111111111],
        "li@example.com": 2,
        "clientSecret": "x",
        "cvv": 123,
        "password": "",
        "access_token": "[secret]",
        "secretary": "Li",
        "secret": 2,
        "nothing": None,
        "yes": True,
        "ratio": 0.4242424242424242,
    }
    redacted = ALL.redact_json(value)
    assert redacted.value == {
        "[email]": [1, "[card]", "[card]"],
        "[email] 2": 2,
        "clientSecret": "[secret]",
        "cvv": "[secret]",
        "password": "",
        "access_token": "[secret]",
        "secretary": "Li",
        "secret": 2,
        "nothing": None,
        "yes": True,
        "ratio": 0.4242424242424242,
    }
    assert redacted.found == (Finding("card", 2), Finding("email", 2), Finding("secret", 2))


def test_json_that_nests_too_deep_is_left_out():
    value: object = "4111111111111111"
    for _ in range(5000):
        value = [value]
    cleaned = ALL.clean(value)
    assert "4111" not in repr_of(cleaned)


def repr_of(value: object) -> str:
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    assert depth == 200
    return str(value)


def with_luhn(prefix: str, length: int, digits: list[int]) -> str:
    """Return a number of this length that passes the check."""
    body = prefix + "".join(map(str, digits))[: length - len(prefix) - 1]
    return next(body + str(d) for d in range(10) if luhn(body + str(d)))


def luhn(number: str) -> bool:
    """Check as ISO/IEC 7812-1 describes it, digit by digit."""
    total = 0
    for place, character in enumerate(reversed(number)):
        value = int(character) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


issuers = st.sampled_from(
    [("4", 16), ("4", 19), ("4", 13), ("51", 16), ("2221", 16), ("34", 15), ("36", 14),
     ("6011", 16), ("3528", 16), ("62", 17), ("65", 18), ("6759", 19)]
)  # fmt: skip
eighteen = st.lists(st.integers(0, 9), min_size=18, max_size=18)
separators = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u200b", " - "])
# Anything visible around, but no digits or letters next to it, which would be part of it.
around = st.text(
    st.characters(exclude_categories=("Nd", "No", "Nl", "Cs", "Cf", "Mn", "Me")), max_size=20
).filter(lambda t: not any(c.isalnum() for c in t[-1:] + t[:1]))


@example(("4", 16), [0] * 18, "", ":A\n", "")
@given(issuers, eighteen, separators, around, around)
def test_card_is_found_in_any_surroundings(issuer, digits, separator, before, after):
    number = with_luhn(*issuer, digits)
    assert is_card(number)
    grouped = separator.join(number[i : i + 4] for i in range(0, len(number), 4))
    redacted = Redactor(("card",)).redact(before + grouped + after)
    assert redacted.text == f"{before}[card]{after}"


@given(
    st.sampled_from([("DE", 18), ("GB", 18), ("NL", 14), ("ES", 20), ("BE", 12), ("MT", 27)]),
    st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=27, max_size=27),
    st.sampled_from(["", " ", "-", "\u00a0"]),
    st.booleans(),
    around,
    around,
)
def test_iban_is_found_in_any_surroundings(country, body, separator, lower, before, after):
    code, length = country
    body = body[:length]
    number = int("".join(str(int(c, 36)) for c in f"{body}{code}00"))
    iban = f"{code}{98 - number % 97:02d}{body}"
    assert is_iban(iban)
    grouped = separator.join(iban[i : i + 4] for i in range(0, len(iban), 4))
    grouped = grouped.lower() if lower else grouped
    redacted = Redactor(("iban",)).redact(before + grouped + after)
    assert redacted.text == f"{before}[iban]{after}"


pieces = st.sampled_from(
    [t for texts in FOUND.values() for t in texts]
    + ["password: ", "token=", "key ", "call me on ", "[card]", "[", "]", " ", "@", "-", "'", '"',
       ":", "is ", "12", "4111", "C-00001042", "\u200b", "x", ".", "://", "&", "\n"]
)  # fmt: skip


@given(st.lists(pieces | st.text(max_size=4), max_size=12).map("".join))
@settings(max_examples=400)
def test_redacting_again_changes_nothing(text: str):
    redactor = Redactor(patterns={"customer": r"C-\d{8}"}, regions=("GB",))
    once = redactor.redact(text)
    again = redactor.redact(once.text)
    assert again.text == once.text
    assert again.found == ()


@given(st.text("abcdefghij .,;!?\n", max_size=200))
def test_plain_words_are_unchanged(text: str):
    assert ALL.redact(text).text == text


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_json_keeps_its_shape(value: object):
    cleaned = ALL.redact_json(value)
    json.dumps(cleaned.value)
    if not cleaned.found:
        assert cleaned.value == value


HOSTILE = [
    "1", "4", "4 ", "4-", "4111 ", "4111111111111111 ", "+1 2", "+44 20 7946 0958 ", "@", "a@",
    "a@a.", "a@a.bc", "eyJ", "eyJaaaaaa.", "sk-", "://a:", "password ", "password:",
    "password for a ", "pin is ", "call me on 1", "DE89 ", "key aA1bC2dE3fG4hI5jK6l ", "Bearer ",
    "-----BEGIN PRIVATE KEY-----", "\u200b", "４", "(020) 794", "415-555-2671 ", "token=", "00",
    "2024-03-05 ", "GB82WEST12345698765432 ", "[card]", "a-", "1.",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_hostile_text_does_not_take_for_ever(piece: str):
    # A detector that looks back and forth would need hours; nothing finer is asserted here.
    redactor = Redactor(patterns={"own": r"C-\d{4,12}"}, regions=("GB", "US"))
    redactor.redact("+44 20 7946 0958")
    text = (piece * (10**6 // len(piece) + 1))[: 10**6]
    started = time.process_time()
    redactor.redact(text)
    assert time.process_time() - started < 60


def test_heavy_detectors_are_loaded_only_for_a_candidate():
    import subprocess

    code = (
        "import sys\n"
        "from concertmaster.policies.redaction import Redactor\n"
        "r = Redactor()\n"
        "r.redact('order 1042 for ana@example.com')\n"
        "assert 'phonenumbers' not in sys.modules\n"
        "r.redact('+44 20 7946 0958')\n"
        "assert 'phonenumbers' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("text", ["token=&00", "password=&", "api_key=&x=1"])
def test_credential_without_a_value_is_none(text: str):
    assert Redactor().redact(text).text == text


def test_kinds_are_in_the_order_of_danger():
    assert KINDS == ("secret", "card", "iban", "phone", "email")


def test_a_name_that_stood_before_no_secret_hides_none_later():
    redactor = Redactor(("secret", "card"))
    harmless = {"note": "late", "password": "", "cvv": True, "order": 1042}
    assert redactor.clean(harmless) == harmless
    told = {"note": "password: hunter2", "password": "hunter2", "cvv": 123, "order": 1042}
    assert redactor.clean(told) == {
        "note": "password: [secret]",
        "password": "[secret]",
        "cvv": "[secret]",
        "order": 1042,
    }


def test_a_name_that_was_seen_is_kept_apart_from_one_that_became_it():
    redactor = Redactor(("email",))
    assert redactor.clean({"[email]": 1}) == {"[email]": 1}
    assert redactor.clean({"ana@mail.example": 1, "[email]": 2}) == {"[email]": 1, "[email] 2": 2}
