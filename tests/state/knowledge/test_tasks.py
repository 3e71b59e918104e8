from hypothesis import given
from hypothesis import strategies as st

from foedus.base.limits import SECOND
from foedus.state.knowledge.tasks import fold_task
from tests.state.knowledge.told import TASK, A, B, C, claim, done, offer, progress

NODES = st.sampled_from([A, B, C])
CLOCKS = st.integers(0, 4 * SECOND)
ACTS = st.lists(
    st.one_of(
        st.builds(claim, st.integers(1, 99), NODES, us=CLOCKS),
        st.builds(progress, st.integers(100, 199), NODES, us=CLOCKS),
        st.builds(done, st.integers(200, 299), NODES, st.sampled_from(["done", "given_up", "cancelled"]), us=CLOCKS),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)


@given(ACTS, st.randoms(use_true_random=False))
def test_a_task_is_the_same_in_every_order_of_arrival(acts, random):
    whole = [offer(), *acts]
    shuffled = whole * 2
    random.shuffle(shuffled)
    assert fold_task(TASK, shuffled) == fold_task(TASK, whole)


@given(ACTS)
def test_a_claimed_task_has_one_holder_and_an_ended_one_one_end(acts):
    task = fold_task(TASK, [offer(), *acts])
    assert (task.state in {"done", "cancelled"}) == (task.ended is not None)
    assert (task.state != "claimed") or task.holder is not None
    assert task.state != "offered" or task.holder is None


@given(st.lists(st.tuples(NODES, st.integers(1, 1000)), min_size=1, max_size=6, unique=True))
def test_of_concurrent_claims_the_first_by_clock_then_node_then_id_wins(claims):
    acts = [claim(number, node, us=us) for number, (node, us) in enumerate(claims, 1)]
    winner = min(acts, key=lambda one: (one.hlc, one.node, one.id))
    assert fold_task(TASK, [offer(), *acts]).holder == winner


def test_a_claim_lapses_without_a_word_of_progress():
    acts = [offer(lease=1), claim(1, B, us=1), claim(2, C, us=SECOND + 2)]
    assert fold_task(TASK, acts).holder.node == C
    assert fold_task(TASK, [*acts, progress(3, B, us=SECOND)]).holder.node == B


def test_only_who_holds_it_ends_it_and_only_who_offered_it_cancels():
    acts = [offer(), claim(1, B)]
    assert fold_task(TASK, [*acts, done(2, C)]).state == "claimed"
    assert fold_task(TASK, [*acts, done(2, B)]).state == "done"
    assert fold_task(TASK, [*acts, done(2, B, "cancelled")]).state == "claimed"
    assert fold_task(TASK, [*acts, done(2, A, "cancelled")]).state == "cancelled"


def test_what_is_given_up_can_be_claimed_again():
    acts = [offer(), claim(1, B), done(2, B, "given_up"), claim(3, C)]
    assert fold_task(TASK, acts).holder.node == C


def test_a_claim_with_a_clock_before_the_offer_counts_for_nothing():
    assert fold_task(TASK, [offer()._replace(hlc=(5, 0)), claim(1, B, us=1)]).state == "offered"


def test_without_its_offer_there_is_no_task():
    assert fold_task(TASK, [claim(1, B)]) is None
    assert fold_task(TASK, [offer()._replace(body=None), claim(1, B)]) is None
