from concertmaster.agents.support import check_access, check_sentence
from concertmaster.contracts import ActionResult, Citation, Evidence, Principal, Sentence

PASSAGE = Evidence(
    number=1,
    document="refunds",
    version="v1",
    title="Refunds",
    text="Refunds reach your account within 5 business days. Cards by Nordbank take 10 days.",
    start=100,
    end=182,
    score=1.0,
    readers=("everyone",),
)
CITED = Citation(number=1, document="refunds", version="v1", title="Refunds", start=100, end=150)


def findings(text, *, citations=(CITED,), basis="evidence", results=(), request=""):
    sentence = Sentence(text=text, basis=basis, citations=citations)
    return [f.check for f in check_sentence(0, sentence, {1: PASSAGE}, results, request)]


def test_verbatim_sentence_is_supported():
    assert findings("Refunds reach your account within 5 business days.") == []


def test_paraphrase_is_supported():
    assert findings("Your account gets the refund within 5 business days.") == []


def test_invented_number_is_found():
    assert "number" in findings("Refunds reach your account within 3 business days.")


def test_invented_name_is_found():
    assert "name" in findings("Refunds by Southbank reach your account within 5 business days.")


def test_unrelated_claim_is_found():
    assert "support" in findings("Shoes may be exchanged in every shop of the country.")


def test_statement_without_citation_is_found():
    assert findings("Refunds take a while.", citations=()) == ["citation"]


def test_citation_of_another_version_or_span_is_found():
    other = CITED.model_copy(update={"version": "v2"})
    beyond = CITED.model_copy(update={"end": 500})
    assert findings("Refunds reach your account.", citations=(other,)) == ["citation"]
    assert findings("Refunds reach your account.", citations=(beyond,)) == ["citation"]


def test_amounts_of_results_count_in_minor_units():
    result = ActionResult(
        position=0, key="refund", tool="refund", status="done", output={"amount_cents": 3550}
    )
    assert findings("I refunded 35.50 EUR.", basis="tool", citations=(), results=(result,)) == []
    wrong = findings("I refunded 45.50 EUR.", basis="tool", citations=(), results=(result,))
    assert wrong == ["number"]


def test_sentence_over_an_unreadable_passage_fails_the_access_check():
    restricted = PASSAGE.model_copy(update={"readers": ("role:staff",)})
    sentence = Sentence(text="x", basis="evidence", citations=(CITED,))
    assert not check_access(sentence, {1: restricted}, Principal(id="ana"))
    assert check_access(sentence, {1: restricted}, Principal(id="sam", roles=("staff",)))
