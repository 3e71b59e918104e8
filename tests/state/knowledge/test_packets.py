from hypothesis import given
from hypothesis import strategies as st

from foedus.log.knowledge import KnowledgePublish
from foedus.state.knowledge.packets import content_of, fold_packet
from tests.state.knowledge.told import PACKET, A, B, publish, retract, revise, says, told

ACTS = st.lists(
    st.one_of(
        st.builds(
            revise,
            st.integers(1, 30),
            st.sampled_from("abc"),
            st.sampled_from([A, B]),
            us=st.integers(0, 5),
            author=st.sampled_from(["did:ada", "did:eve"]),
        ),
        st.builds(
            retract,
            st.integers(31, 60),
            st.sampled_from([A, B]),
            us=st.integers(0, 5),
            author=st.sampled_from(["did:ada", "did:eve", A, B]),
        ),
    ),
    max_size=8,
    unique_by=lambda one: one.id,
)


def title(packet):
    return content_of(packet.current).title


@given(ACTS, st.randoms(use_true_random=False))
def test_a_packet_is_the_same_in_every_order_of_arrival(acts, random):
    whole = [publish(), *acts]
    shuffled = whole * 2
    random.shuffle(shuffled)
    assert fold_packet(PACKET, shuffled) == fold_packet(PACKET, whole)


@given(ACTS)
def test_only_its_author_or_its_node_changes_a_packet(acts):
    mine = [one for one in acts if one.node == A and one.author == "did:ada"]
    by_node = [one for one in acts if one.node == A and one.author == A]
    assert fold_packet(PACKET, [publish(), *acts]) == fold_packet(PACKET, [publish(), *mine, *by_node])


def test_the_last_revision_by_clock_holds():
    assert title(fold_packet(PACKET, [revise(9, "late", us=9), publish(), revise(5, "early", us=5)])) == "late"


def test_the_node_takes_back_what_was_written_there_but_does_not_rewrite_it():
    assert fold_packet(PACKET, [publish(), retract(1, author=A)]).retracted is not None
    assert title(fold_packet(PACKET, [publish(), revise(1, "by the node", author=A)])) == "first"


def test_nothing_revives_what_was_retracted():
    packet = fold_packet(PACKET, [publish(), retract(1), revise(2, "again")])
    assert packet.current is None


def test_an_erased_revision_says_nothing_and_the_one_before_it_holds():
    erased = told(7, A, None, kind="knowledge.revise")
    assert title(fold_packet(PACKET, [publish(), revise(3, "second"), erased])) == "second"
    assert fold_packet(PACKET, [publish()._replace(body=None)]).current is None


def test_without_its_first_act_there_is_no_packet():
    assert fold_packet(PACKET, [revise(3, "second")]) is None
    other = told(PACKET, A, KnowledgePublish(**says("x")), kind="knowledge.revise")
    assert fold_packet(PACKET, [other]) is None


def test_what_was_told_in_another_domain_does_not_count():
    assert title(fold_packet(PACKET, [publish(), revise(3, "elsewhere")._replace(domain="other")])) == "first"
