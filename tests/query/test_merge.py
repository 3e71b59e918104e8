"""Merging: the same list in every order, held to a slow and obvious twin."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from foedus.base.clock import Hlc
from foedus.base.ids import sha256
from foedus.query.inquiry import Report
from foedus.query.merge import FUSION_K, FUSION_SCALE, Merge
from foedus.query.reports import gather
from foedus.query.result import Result, encode_result, parse_result

NODES = [bytes([number]) * 32 for number in range(1, 5)]
THINGS = [bytes([number]) * 32 for number in range(11, 17)]


@st.composite
def a_result(draw):
    return Result(
        v=1,
        query=b"q" * 32,
        node=draw(st.sampled_from(NODES)),
        epoch=b"e" * 32,
        rank=draw(st.integers(0, 5)),
        content=draw(st.sampled_from(THINGS)),
        kind="note",
        score=draw(st.integers(0, 3)),
        hlc=Hlc(draw(st.integers(0, 3)), draw(st.integers(0, 1))),
        body=b"\xa0",
    )


def merged(results):
    merge = Merge()
    for result in results:
        merge.add(sha256(encode_result(result)), result)
    return merge


def twin(results):
    """The same by the words of docs/protocol.md, section 13, without a thought for time."""
    standing = [
        one
        for one in results
        if not any(
            (other.node, other.rank) == (one.node, one.rank)
            and sha256(encode_result(other)) < sha256(encode_result(one))
            for other in results
        )
    ]
    listed = []
    for content in {one.content for one in standing}:
        about = [one for one in standing if one.content == content]
        best = {node: min(one.rank for one in about if one.node == node) for node in {one.node for one in about}}
        counted = [one for one in about if one.rank == best[one.node]]
        fused = sum(int(Fraction(FUSION_SCALE, FUSION_K + 1 + rank)) for rank in best.values())
        listed.append((fused, max(one.score for one in counted), max(one.hlc for one in counted), content))
    listed.sort(key=lambda it: it[3])
    listed.sort(key=lambda it: it[:3], reverse=True)
    return listed


def shown(ranking):
    return [(it.fused, it.score, it.hlc, it.content) for it in ranking]


@given(st.lists(a_result(), max_size=30))
def test_it_is_what_the_words_say(results):
    assert shown(merged(results).ranking(100)) == twin(results)


@given(st.lists(a_result(), max_size=30).flatmap(lambda them: st.tuples(st.just(them), st.permutations(them))))
def test_it_is_the_same_in_every_order_and_with_every_repetition(pair):
    one, other = pair
    assert merged(one).ranking(100) == merged([*other, *other]).ranking(100)


@given(st.lists(a_result(), max_size=30), st.integers(0, 30))
def test_a_shorter_list_is_the_beginning_of_the_longer(results, limit):
    assert merged(results).ranking(limit) == merged(results).ranking(100)[:limit]


@given(a_result())
def test_a_result_is_its_bytes(result):
    assert parse_result(encode_result(result)) == result


REPORTS = st.builds(
    Report,
    st.sampled_from([None, *NODES]),
    st.sampled_from(["answered", "refused", "late", "silent", "seen"]),
    st.sampled_from(["", "tier"]),
    st.integers(0, 3),
)


@given(st.lists(REPORTS, max_size=12).flatmap(lambda them: st.tuples(st.just(them), st.permutations(them))))
def test_what_is_told_of_nodes_does_not_depend_on_the_order(pair):
    one, other = pair
    assert gather(one) == gather(other)
    named = [report.node for report in gather(one) if report.node]
    assert named == sorted(set(named))


def test_the_best_that_was_told_of_a_node_holds():
    told = [Report(NODES[0], "seen"), Report(NODES[0], "answered", "", 3), Report(NODES[0], "silent")]
    assert gather(told) == [Report(NODES[0], "answered", "", 3)]
