"""Large values are cut, whatever the quick look at small ones says."""

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.audit.bounds import VALUE_LIMIT, _small, bounded
from concertmaster.contracts import canonical

texts = st.builds(lambda text, n: text * n, st.text(max_size=3), st.integers(1, 3000))
values = st.recursive(
    texts | st.integers(-(10**40), 10**40) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_passes_as_small_is_small_however_it_is_written(value):
    try:
        size = len(canonical(value))
    except ValueError:
        return
    assert not _small(value) or size <= VALUE_LIMIT


def test_a_value_above_the_limit_leaves_its_size_and_digest():
    many = ["x" * 1000] * 17
    told = bounded(many)
    assert set(told) == {"cut", "digest"}
    assert bounded(many[:15]) == many[:15]


def test_many_small_values_count_together():
    assert set(bounded(list(range(10_000)))) == {"cut", "digest"}
    assert set(bounded({str(n): None for n in range(5_000)})) == {"cut", "digest"}
