"""What the decisions about an agent's calls rested on: kept in its home, and forgotten with it."""

import sqlite3
from datetime import timedelta

import pytest

import concertmaster as cm
from concertmaster.audit.checking import check_trail
from concertmaster.errors import RequestError, StorageError
from concertmaster.graphs.langchain import forgetting
from concertmaster.graphs.langchain.setups import setups
from concertmaster.graphs.langchain.stores import FILE
from concertmaster.policies.bases import find_bases
from concertmaster.storage import Database
from concertmaster.testing import Call

SMALL = Call("send_money", {"to": "ben", "euros": 20})
LARGE = Call("send_money", {"to": "ben", "euros": 200})
APPROVE = {"decisions": [{"type": "approve"}]}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def query(home, sql):
    connection = sqlite3.connect(home / FILE)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def everything(home):
    """Return all bytes of the home's files."""
    return b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file())


def decided(governance, thread="t"):
    return [e.data for e in governance.events(thread) if e.data.get("decision")]


def test_a_decision_names_what_it_rested_on_with_the_arguments(bank, govern, agent, home):
    governance = govern(bank, home=home)
    agent(bank.tools(), governance, SMALL, "Ok.").ask("Please send 20 to ben")
    (told,) = decided(governance)
    database = Database.open(home / FILE, read_only=True)
    try:
        run = query(home, "SELECT run FROM decision_bases")[0][0]
        found = governance.background.wait(database.read(lambda c: find_bases(c, [run])))
    finally:
        database.close()
    basis = found[run, told["basis"]]
    assert basis.arguments == {"to": "ben", "euros": 20}
    assert (basis.principal.id, basis.principal.roles) == ("ana", ("customer",))
    assert basis.provenance is not None


def test_a_row_is_written_in_the_transaction_of_its_event(bank, govern, agent, home, monkeypatch):
    governance = govern(bank, home=home)
    begun = []
    write = Database._write
    monkeypatch.setattr(Database, "_write", lambda *given: begun.append(1) or write(*given))
    agent(bank.tools(), governance, SMALL, "Ok.").ask()
    governance.events()
    # One before the effect, one after it: as many as without what decisions rest on.
    assert len(begun) == 2
    assert len(query(home, "SELECT * FROM decision_bases")) == 1


def test_in_memory_nothing_is_kept(bank, govern, agent):
    governance = govern(bank)
    agent(bank.tools(), governance, SMALL, "Ok.").ask()
    (told,) = decided(governance)
    assert told["basis"] == ""
    assert governance._stores.bases is None


def test_an_approved_call_is_told_as_it_was_decided(bank, govern, agent, people, home):
    """So that the decision can be compared: that it may run now, the approval tells."""
    governance = govern(bank, home=home)
    made = agent(bank.tools(), governance, LARGE, "Ok.")
    made.ask()
    made.resume(APPROVE, reviewer=people.li)
    first, *_, last = told = decided(governance)
    assert bank.sent == [("ben", 200)]
    assert {d["decision"] for d in told} == {"review"}
    assert (first["approval"], bool(last["approval"])) == (None, True)
    assert last["needs"] == [{"role": "finance", "count": 1}]
    # Decided several times over the same grounds: one row.
    assert len({d["basis"] for d in told}) == len(query(home, "SELECT 1 FROM decision_bases")) == 1


def test_arguments_that_are_too_large_are_not_kept(bank, govern, agent, home, results):
    governance = govern(bank, home=home)
    look = Call("look_up", {"account": "a" * 300_000})
    state = agent(bank.tools(), governance, look, "Ok.").ask()
    assert results(state)[0][0] == "success"
    assert decided(governance)[0]["basis"] == ""
    assert query(home, "SELECT * FROM decision_bases") == []


def test_a_home_notes_tools_and_policies_of_each_agent(bank, govern, home):
    one = govern(bank, home=home)
    other = govern(bank, '@id("all") permit (principal, action, resource);', home=home, name="b")
    database = Database.open(home / FILE, read_only=True)
    try:
        found = one.background.wait(database.read(setups))
    finally:
        database.close()
    assert sorted(found) == ["agent", "b"]
    assert [p.id for p in found["agent"].policies] == ["read", "small", "large", "huge", "never"]
    assert found["agent"].shapes == one.toolbox.shapes()
    assert [p.sentence for p in found["b"].policies] == ["permitted by the policy all"]
    assert other.gate.bundle != one.gate.bundle


def test_a_setup_that_was_changed_from_outside_is_named(bank, govern, home):
    govern(bank, home=home).close()
    connection = sqlite3.connect(home / FILE)
    with connection:
        connection.execute("UPDATE governed_setups SET shapes = '[1]'")
    connection.row_factory = sqlite3.Row
    with pytest.raises(StorageError, match="was changed from outside"):
        setups(connection)
    connection.close()


@pytest.fixture
def lived(bank, govern, agent, people, home):
    """A thread with an approved call, and another one with a small one."""
    governance = govern(bank, home=home)
    made = agent(bank.tools(), governance, LARGE, "Ok.")
    made.ask()
    made.resume(APPROVE, reviewer=people.li)
    other = agent(bank.tools(), governance, SMALL, "Ok.")
    other.config = {"configurable": {"thread_id": "other"}}
    other.ask()
    return governance


def test_a_forgotten_thread_is_in_no_file_any_more(lived, home, people):
    assert b"sent 200 to ben" in everything(home)
    erased = lived.forget("t", by=people.li, why="request 4711")
    assert erased == len(query(home, "SELECT 1 FROM audit_erasures")) > 3
    for words in (b"sent 200 to ben", b'"euros":200', b'"euros": 200'):
        assert words not in everything(home)
    assert lived.events("t") == []
    assert len(query(home, "SELECT 1 FROM decision_bases")) == 1
    assert query(home, "SELECT 1 FROM approvals") == []
    assert query(home, "SELECT 1 FROM governed_questions") == []
    assert decided(lived, "other")


def test_a_thread_in_memory_is_forgotten_as_well(bank, govern, agent, people):
    governance = govern(bank)
    agent(bank.tools(), governance, SMALL, "Ok.").ask()
    assert governance.forget("t", by=people.li, why="asked for") > 0
    assert governance.events("t") == []
    assert governance.prune(timedelta(days=1)) == ()


def test_the_trail_verifies_and_tells_who_erased(lived, people):
    lived.forget("t", by=people.li, why="request 4711")
    (told,) = [e for e in lived.events() if e.type == "audit.erased"]
    assert (told.actor, told.why) == ("li", "request 4711")
    trail = lived._stores.trail
    found = lived.background.wait(check_trail(trail.database, trail.workspace))
    assert (found.whole, found.erased) == (True, told.data["events"])


def test_a_call_that_took_effect_is_not_made_again_once_forgotten(
    bank, govern, agent, people, home, results
):
    governance = govern(bank, home=home)
    made = agent(bank.tools(), governance, SMALL, done := "Done.", done)
    made.ask()
    governance.forget("t", by=people.li, why="asked for")
    before = next(s for s in made.graph.get_state_history(made.config) if s.next == ("tools",))
    state = made.graph.invoke(None, before.config, context=cm.Acting(principal=people.ana))
    assert bank.sent == [("ben", 20)]
    assert "was called before" in results(state)[0][1]


def test_whoever_has_their_own_thread_erased_is_not_named(lived, people):
    lived.forget("t", by=people.ana, why="request 4711")
    (told,) = [e for e in lived.events() if e.type == "audit.erased"]
    assert (told.actor, told.on_behalf_of) == ("the thread's owner", None)


@pytest.mark.parametrize(
    ("why", "told"), [(" ", "needs a reason"), ("of T", "names the"), ("Ana's", "names the person")]
)
def test_an_erasure_has_a_reason_that_names_nobody(why, told, lived, people):
    with pytest.raises(RequestError, match=told):
        lived.forget("t", by=people.li, why=why)
    assert lived.events("t")


def test_old_threads_are_forgotten_and_young_ones_stay(lived, home, monkeypatch):
    assert lived.prune(timedelta(days=1)) == ()
    later = cm.contracts.now() + timedelta(days=2)
    monkeypatch.setattr(forgetting, "now", lambda: later)
    assert lived.prune(timedelta(days=3)) == ()
    assert lived.prune(timedelta(days=1)) == ("other", "t")
    assert query(home, "SELECT 1 FROM decision_bases") == []
    assert {e.actor for e in lived.events() if e.type == "audit.erased"} == {"retention"}
    assert lived.prune(timedelta(days=1)) == ()


def test_a_thread_on_which_something_is_open_stays(bank, govern, agent, home, monkeypatch):
    governance = govern(bank, home=home)
    agent(bank.tools(), governance, LARGE, "Ok.").ask()
    doubtful = agent(bank.tools(), governance, SMALL, "Ok.")
    doubtful.config = {"configurable": {"thread_id": "other"}}
    doubtful.ask()
    connection = sqlite3.connect(home / FILE)
    with connection:
        connection.execute("UPDATE governed_calls SET outcome = 'in_doubt'")
    connection.close()
    later = cm.contracts.now() + timedelta(days=2)
    monkeypatch.setattr(forgetting, "now", lambda: later)
    assert governance.prune(timedelta(days=1)) == ()
