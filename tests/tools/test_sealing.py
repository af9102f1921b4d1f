"""The trail tells of each result by a salted digest, which shows that a row was changed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.audit import Trail
from concertmaster.policies.redaction import Redaction
from concertmaster.storage import Database
from concertmaster.tools.ledger import Ledger
from concertmaster.tools.sealing import breaks_seal, seal

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(result=PLAIN, reference=st.none() | st.text())
def test_seal_holds_for_what_comes_back_from_the_store(result, reference):
    stored = json.loads(json.dumps(result))
    assert not breaks_seal(seal(result, reference), stored, reference)


@given(one=PLAIN, other=PLAIN)
def test_another_result_breaks_it(one, other):
    if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
        assert breaks_seal(seal(one, None), other, None)


def test_another_reference_breaks_it():
    assert breaks_seal(seal(1, "artifact:a"), 1, "artifact:b")


def test_same_result_has_another_seal_each_time():
    assert seal(1, None)["digest"] != seal(1, None)["digest"]


@pytest.mark.parametrize("told", [None, {}, [], "x", {"salt": 1, "digest": 2}, {"salt": "[card]"}])
def test_where_there_is_no_seal_nothing_is_certain(told):
    assert not breaks_seal(told, 1, None)


def test_redaction_leaves_it_alone():
    clean = Redaction().told.clean
    assert all(clean(told) == told for told in (seal(n, None) for n in range(300)))


async def test_event_of_a_done_call_seals_its_result(tmp_path):
    from concertmaster.audit import MIGRATIONS as AUDIT
    from concertmaster.tools.ledger import MIGRATIONS

    database = Database.open(tmp_path / "h.db", (*AUDIT, *MIGRATIONS))
    try:
        trail = Trail(database, "desk")
        ledger = Ledger(database, trail)
        await ledger.begin("run-1", 0, "sha256:a", "pay", False)
        await ledger.finish("run-1", 0, {"iban": "DE89370400440532013000"})
        begun, done = await trail.events(run="run-1")
    finally:
        database.close()
    assert "result" not in begun.data
    assert not breaks_seal(done.data["result"], {"iban": "DE89370400440532013000"}, None)
    assert breaks_seal(done.data["result"], {"iban": "DE89370400440532013001"}, None)
    assert "DE89" not in json.dumps(done.data)
