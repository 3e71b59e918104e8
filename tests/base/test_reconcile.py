"""Many answers become one, whatever their order: the one function that merges what several nodes say."""

from hypothesis import given
from hypothesis import strategies as st

from foedus.base.reconcile import reconcile

ANSWERS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=12)
JOINS = st.sampled_from([min, max, lambda one, other: one | other])


@given(ANSWERS.flatmap(lambda them: st.tuples(st.just(them), st.permutations(them))), JOINS, st.integers(0, 12))
def test_neither_order_nor_repetition_nor_parts_change_the_result(pair, join, cut):
    one, other = pair
    whole = reconcile(one, join)
    assert reconcile([*other, *other], join) == whole
    assert reconcile(other[cut:], join, reconcile(other[:cut], join)) == whole


@given(ANSWERS)
def test_it_is_what_the_words_say(answers):
    expected = {key: min(value for other, value in answers if other == key) for key, _ in answers}
    assert reconcile(answers, min) == expected
